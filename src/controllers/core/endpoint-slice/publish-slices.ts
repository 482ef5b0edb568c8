import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Client } from '#client/client.ts';
import { MANAGED_BY } from '#controllers/core/endpoint-slice/desired-endpoint-slices.ts';

/** Whose slices they are, and which of its controllers' word they are. */
export interface SliceOwner {
  readonly namespace: string;
  readonly uid: string;
  readonly manager: string;
}

/** Writes the slices first, then deletes the former ones, so that nobody is told of fewer endpoints than there are. */
export async function publishSlices(
  client: Client,
  { namespace, uid, manager }: SliceOwner,
  desired: readonly EndpointSlice[],
): Promise<void> {
  for (const slice of desired) await client.apply(EndpointSlice, slice);
  const names = new Set(desired.map(({ metadata }) => metadata.name));
  const { items } = await client.list(EndpointSlice, { namespace, ownedBy: uid });
  for (const { metadata } of items) {
    if (metadata.labels?.[MANAGED_BY] !== manager || names.has(metadata.name)) continue;
    await client.delete(EndpointSlice, { namespace, name: metadata.name ?? '' });
  }
}
