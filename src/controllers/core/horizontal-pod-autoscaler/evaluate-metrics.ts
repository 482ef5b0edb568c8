import type { Pod } from '#api/core-v1/pod.ts';
import type {
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '#api/generated/autoscaling-v2.ts';
import { renderQuantity } from '#api/meta/quantity.ts';
import type { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import { groupPods } from '#controllers/core/horizontal-pod-autoscaler/pod-groups.ts';
import {
  averageOf,
  averageTarget,
  MetricUnavailable,
  proposeReplicas,
  utilizationOf,
  utilizationTarget,
  type Tolerance,
  type UsageTarget,
} from '#controllers/core/horizontal-pod-autoscaler/propose-replicas.ts';
import {
  milliOf,
  requestsOf,
  usageOf,
  type MeasuredResource,
} from '#controllers/core/horizontal-pod-autoscaler/resource-usage.ts';

/** What is known of an autoscaler's pods at one moment. */
export interface PodFacts {
  readonly pods: readonly Pod[];
  /** Or why there are none. */
  readonly metrics: readonly PodMetrics[] | MetricUnavailable;
  readonly currentReplicas: number;
  readonly tolerance: Tolerance;
  readonly nowMs: number;
}

export interface Evaluation {
  /** Undefined where too little is known to decide. */
  readonly decision: { readonly replicas: number; readonly metric: string } | undefined;
  /** One for each metric; that of a metric which says nothing is empty. */
  readonly statuses: readonly MetricStatus[];
  readonly failures: readonly MetricFailure[];
  /** Of all failures together. */
  readonly problem: string;
}

interface MetricFailure {
  readonly reason: string;
  readonly message: string;
  /** What failed, before the message. */
  readonly of: string;
}

interface Proposal {
  readonly replicas: number;
  readonly metric: string;
  readonly status: MetricStatus;
}

/** The most that any of the metrics asks for. One that says nothing never lets the others take pods away. */
export function evaluateMetrics(specs: readonly MetricSpec[], facts: PodFacts): Evaluation {
  const proposals: Proposal[] = [];
  const statuses: MetricStatus[] = [];
  const failures: MetricFailure[] = [];
  for (const spec of specs) {
    try {
      const proposal = proposeBy(spec, facts);
      proposals.push(proposal);
      statuses.push(proposal.status);
    } catch (error) {
      if (!(error instanceof MetricUnavailable)) throw error;
      failures.push({ ...sourceOf(spec), message: error.message });
      statuses.push({ type: '' });
    }
  }
  const highest = proposals.reduce<Proposal | undefined>(
    (most, each) => (most === undefined || each.replicas > most.replicas ? each : most),
    undefined,
  );
  const isSafe = failures.length === 0 || (highest?.replicas ?? 0) >= facts.currentReplicas;
  const [first] = failures;
  const problem = first
    ? `invalid metrics (${failures.length} invalid out of ${specs.length}), first error is: failed to get ${first.of} metric value: ${first.message}`
    : '';
  return { decision: isSafe ? highest : undefined, statuses, failures, problem };
}

/** Throws MetricUnavailable. */
function proposeBy(spec: MetricSpec, facts: PodFacts): Proposal {
  const { resource, containerResource } = spec;
  if (spec.type === 'Resource' && resource) {
    const { value, ...proposal } = proposeByResource(resource, resource.target, facts);
    const status = { type: spec.type, resource: { name: resource.name, current: value } };
    return { ...proposal, status };
  }
  if (spec.type === 'ContainerResource' && containerResource) {
    const { name, container, target } = containerResource;
    const { value, ...proposal } = proposeByResource(containerResource, target, facts);
    const current = { name, container, current: value };
    return { ...proposal, status: { type: spec.type, containerResource: current } };
  }
  const api = spec.type === 'External' ? 'external' : 'custom';
  throw new MetricUnavailable(
    `unable to fetch metrics from ${api} metrics API: no ${api} metrics API (${api}.metrics.k8s.io) registered`,
  );
}

function proposeByResource(
  resource: MeasuredResource,
  target: MetricTarget,
  facts: PodFacts,
): { replicas: number; metric: string; value: MetricValueStatus } {
  const { name } = resource;
  const { averageUtilization: percent, averageValue } = target;
  const isAverage = averageValue !== undefined;
  return withContext(`failed to get ${name} ${isAverage ? 'usage' : 'utilization'}`, () => {
    const usage = withContext(`unable to get metrics for resource ${name}`, () => {
      if (facts.metrics instanceof MetricUnavailable) throw facts.metrics;
      return usageOf(facts.metrics, resource);
    });
    if (facts.pods.length === 0) {
      throw new MetricUnavailable('no pods returned by selector while calculating replica count');
    }
    const groups = groupPods(facts.pods, usage, { resource: name, nowMs: facts.nowMs });
    const propose = (wanted: UsageTarget): number =>
      proposeReplicas(groups, { ...facts, target: wanted });
    const value = { averageValue: milliText(averageOf(groups.counted)) };
    if (isAverage) {
      const replicas = propose(averageTarget(milliOf(averageValue)));
      return { replicas, metric: `${name} resource`, value };
    }
    const requests = requestsOf(facts.pods, resource);
    const replicas = propose(utilizationTarget(percent ?? 100, requests));
    const averageUtilization = utilizationOf(groups.counted, requests);
    const metric = `${name} resource utilization (percentage of request)`;
    return { replicas, metric, value: { averageUtilization, ...value } };
  });
}

function sourceOf({
  type,
  resource,
  containerResource,
}: MetricSpec): Omit<MetricFailure, 'message'> {
  const reason = `FailedGet${type}Metric`;
  if (resource) return { reason, of: `${resource.name} resource` };
  if (containerResource) return { reason, of: `${containerResource.name} container resource` };
  return { reason, of: type.toLowerCase() };
}

function withContext<T>(text: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof MetricUnavailable)) throw error;
    throw new MetricUnavailable(`${text}: ${error.message}`, { cause: error });
  }
}

const NANOS_PER_MILLI = 1_000_000n;

function milliText(milli: number): string {
  return renderQuantity({ nano: BigInt(milli) * NANOS_PER_MILLI, isBinary: false });
}
