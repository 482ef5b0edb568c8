import type { Node } from '#api/core-v1/node.ts';
import type { Pod } from '#api/core-v1/pod.ts';

/** A node and the pods that have been given to it and have not ended. */
export interface Candidate {
  readonly node: Node;
  readonly pods: readonly Pod[];
}
