import type { Node } from '#api/core-v1/node.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { PodAffinityTerm } from '#api/generated/core-v1.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';
import type { Candidate } from '#controllers/core/scheduler/candidate.ts';

/**
 * Why pods that run, or are about to, keep this one off `node`, in the scheduler's words; undefined where they do not.
 * What is required counts; a namespaceSelector is taken to select every namespace.
 */
export function affinityProblem(
  pod: Pod,
  node: Node,
  candidates: readonly Candidate[],
): string | undefined {
  if (!isNearWanted(pod, node, candidates)) return "node(s) didn't match pod affinity rules";
  const isUnwanted = unwantedBy(pod).some((term) =>
    hasMatch(candidates, { term, of: pod, near: node }),
  );
  if (isUnwanted) return "node(s) didn't match pod anti-affinity rules";
  const isRefused = candidates.some(({ node: other, pods }) =>
    pods.some((present) =>
      unwantedBy(present).some(
        (term) => isSameDomain(term, node, other) && isMeant(pod, term, present),
      ),
    ),
  );
  return isRefused ? "node(s) didn't satisfy existing pods anti-affinity rules" : undefined;
}

/** The first of a group that wants to be together is let in anywhere its domain is known. */
function isNearWanted(pod: Pod, node: Node, candidates: readonly Candidate[]): boolean {
  const terms =
    pod.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  if (terms.every((term) => hasMatch(candidates, { term, of: pod, near: node }))) return true;
  const isFirst = !terms.some((term) => hasMatch(candidates, { term, of: pod }));
  return isFirst && terms.every((term) => domainOf(term, node) && isMeant(pod, term, pod));
}

function unwantedBy({ spec }: Pod): readonly PodAffinityTerm[] {
  return spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
}

/** Whether there is a pod that `term` of the pod `of` means: in the domain of `near`, or anywhere where that is absent. */
function hasMatch(
  candidates: readonly Candidate[],
  { term, of, near }: { term: PodAffinityTerm; of: Pod; near?: Node },
): boolean {
  return candidates.some(
    ({ node, pods }) =>
      (near === undefined || isSameDomain(term, near, node)) &&
      pods.some((present) => isMeant(present, term, of)),
  );
}

function isSameDomain(term: PodAffinityTerm, a: Node, b: Node): boolean {
  const domain = domainOf(term, a);
  return domain !== undefined && domain === domainOf(term, b);
}

function domainOf({ topologyKey }: PodAffinityTerm, { metadata }: Node): string | undefined {
  return metadata.labels?.[topologyKey];
}

function isMeant(
  pod: Pod,
  { labelSelector, namespaces = [], namespaceSelector }: PodAffinityTerm,
  of: Pod,
): boolean {
  if (!labelSelector) return false;
  const { namespace = '', labels } = pod.metadata;
  const isNear =
    namespaceSelector !== undefined ||
    (namespaces.length > 0 ? namespaces.includes(namespace) : namespace === of.metadata.namespace);
  return isNear && matchLabelSelector(labelSelector)(labels);
}
