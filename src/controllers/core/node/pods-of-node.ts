import type { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { keyOf, type Key, type Known } from '#reconcile/controller.ts';

/** Whom a change of a node concerns: the pods that are bound to it. */
export function podsOfNode({ metadata }: Node, known: Known): readonly Key[] {
  return known
    .list(Pod)
    .filter(({ spec }) => spec?.nodeName === metadata.name)
    .map((pod) => keyOf(pod));
}
