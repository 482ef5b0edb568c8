import { Pod } from '#api/core-v1/pod.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Client } from '#client/client.ts';

/** Names of a revision's pods that have been told to end. Rejects with the API's failure. */
export type EndingPods = (revision: {
  readonly namespace: string;
  readonly name: string;
}) => Promise<readonly string[]>;

/** Asks the API itself: a list is as new as what the kubelet acts on, an informer may not be. */
export function endingPodsOf(client: Pick<Client, 'list'>): EndingPods {
  return async ({ namespace, name }) => {
    const labelSelector = `${servingKeys.revision}=${name}`;
    const { items } = await client.list(Pod, { namespace, labelSelector });
    const ending = items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
    return ending.map(({ metadata }) => metadata.name ?? '');
  };
}
