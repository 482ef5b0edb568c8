import type { Node } from '#api/core-v1/node.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { podAmounts, sum, type Amounts } from '#api/core-v1/pod-requests.ts';
import type { PodSpec } from '#api/generated/core-v1.ts';
import { parseQuantity } from '#api/meta/quantity.ts';
import type { Candidate } from '#controllers/core/scheduler/candidate.ts';
import { isWantedNode } from '#controllers/core/scheduler/node-affinity.ts';
import { affinityProblem } from '#controllers/core/scheduler/pod-affinity.ts';
import { untoleratedTaint } from '#controllers/core/scheduler/untolerated-taint.ts';

/** Why a pod cannot run on one of the candidates, in the scheduler's words; empty where it can. */
export function unfitReasons(
  pod: Pod & { readonly spec: PodSpec },
  { node, pods }: Candidate,
  candidates: readonly Candidate[],
): string[] {
  const { spec } = pod;
  if (node.spec?.unschedulable && !toleratesCordon(spec)) return ['node(s) were unschedulable'];
  if (untoleratedTaint(spec, node)) return ['node(s) had untolerated taint(s)'];
  if (!isWantedNode(spec, node)) return ["node(s) didn't match Pod's node affinity/selector"];
  if (hasPortConflict(spec, pods)) {
    return ["node(s) didn't have free ports for the requested pod ports"];
  }
  const short = insufficient(spec, { node, pods });
  if (short.length > 0) return short;
  const problem = affinityProblem(pod, node, candidates);
  return problem === undefined ? [] : [problem];
}

/**
 * `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.`: each reason once, with how many nodes
 * have it.
 */
export function unschedulableMessage(reasons: readonly (readonly string[])[]): string {
  if (reasons.length === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const reason of reasons.flat()) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const list = [...counts].map(([reason, count]) => `${count} ${reason}`).toSorted(byText);
  return `0/${reasons.length} nodes are available: ${list.join(', ')}.`;
}

const CORDON = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

function toleratesCordon(spec: PodSpec): boolean {
  const cordoned: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {},
    spec: { taints: [CORDON] },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
  return untoleratedTaint(spec, cordoned) === undefined;
}

function insufficient(spec: PodSpec, { node, pods }: Candidate): string[] {
  const allocatable = node.status?.allocatable ?? {};
  const room = (name: string): bigint | undefined =>
    allocatable[name] === undefined ? undefined : parseQuantity(allocatable[name]).nano;
  const used = pods.flatMap((pod) => (pod.spec ? [podAmounts(pod.spec, 'requests')] : []));
  const taken: Amounts = used.reduce(sum, new Map());
  const podsMax = room('pods');
  const tooMany = podsMax !== undefined && BigInt(pods.length + 1) * NANO > podsMax;
  const short = [...podAmounts(spec, 'requests')]
    .filter(([name, { nano }]) => {
      if (nano === 0n) return false;
      const has = room(name);
      // Nodes say how much they have of the usual; of anything else an unnamed one has none.
      if (has === undefined) return !isUsual(name);
      return (taken.get(name)?.nano ?? 0n) + nano > has;
    })
    .map(([name]) => `Insufficient ${name}`);
  return [...(tooMany ? ['Too many pods'] : []), ...short];
}

const NANO = 1_000_000_000n;

function isUsual(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name === 'ephemeral-storage';
}

function hasPortConflict(spec: PodSpec, pods: readonly Pod[]): boolean {
  const taken = new Set(pods.flatMap((pod) => (pod.spec ? hostPorts(pod.spec) : [])));
  return hostPorts(spec).some((port) => taken.has(port));
}

function hostPorts({ containers }: PodSpec): string[] {
  return containers
    .flatMap(({ ports }) => ports ?? [])
    .flatMap(({ hostPort, protocol = 'TCP' }) => (hostPort ? [`${hostPort}/${protocol}`] : []));
}

function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
