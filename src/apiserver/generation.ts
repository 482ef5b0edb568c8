import { isDeepStrictEqual } from 'node:util';
import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';

/** Kinds with a status of their own tell by `generation` which spec that status is about. */
export function hasGeneration(kind: Kind): boolean {
  return kind.custom !== undefined || kind.subresources.includes('status');
}

/** Counts up where anything but metadata and status differs; a status that is no subresource is a wish like others. */
export function nextGeneration(
  kind: Kind,
  { previous, next }: { readonly previous: KubeObject; readonly next: KubeObject },
): number {
  const generation = previous.metadata.generation ?? 1;
  return isDeepStrictEqual(wishesOf(kind, previous), wishesOf(kind, next))
    ? generation
    : generation + 1;
}

function wishesOf(kind: Kind, object: KubeObject & { status?: unknown }): unknown {
  const { metadata: _metadata, status, ...wishes } = object;
  return kind.subresources.includes('status') ? wishes : { ...wishes, status };
}
