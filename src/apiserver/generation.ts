import { isDeepStrictEqual } from 'node:util';
import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';

/** Kinds with a status of their own tell by `generation` which spec that status is about. */
export function hasGeneration(kind: Kind): boolean {
  return kind.subresources.includes('status');
}

/** Counts up where anything but metadata and status differs. */
export function nextGeneration(previous: KubeObject, next: KubeObject): number {
  const generation = previous.metadata.generation ?? 1;
  return isDeepStrictEqual(wishesOf(previous), wishesOf(next)) ? generation : generation + 1;
}

function wishesOf(object: KubeObject & { status?: unknown }): unknown {
  const { metadata: _metadata, status: _status, ...wishes } = object;
  return wishes;
}
