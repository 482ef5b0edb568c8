import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { MetricStatus } from '#api/generated/autoscaling-v2.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { amountOf } from '#api/meta/quantity.ts';
import { parseLabelSelector } from '#api/meta/selector.ts';
import { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import type { ServedKinds } from '#api/served-kinds.ts';
import { isSameContent } from '#client/overlay.ts';
import { AutoscalerConditions } from '#controllers/core/horizontal-pod-autoscaler/autoscaler-conditions.ts';
import {
  evaluateMetrics,
  type Evaluation,
} from '#controllers/core/horizontal-pod-autoscaler/evaluate-metrics.ts';
import {
  limit,
  stabilize,
  type Normalization,
} from '#controllers/core/horizontal-pod-autoscaler/normalize-replicas.ts';
import {
  MetricUnavailable,
  type Tolerance,
} from '#controllers/core/horizontal-pod-autoscaler/propose-replicas.ts';
import {
  readScaleTarget,
  type ScaleTarget,
} from '#controllers/core/horizontal-pod-autoscaler/scale-target.ts';
import {
  beginHistory,
  withChange,
  withRecommendation,
  type ScalingHistory,
} from '#controllers/core/horizontal-pod-autoscaler/scaling-history.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import {
  defineController,
  type Context,
  type Controller,
  type Key,
} from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

/** Kubernetes' figures. */
const PERIOD_MS = 15_000;
const TOLERANCE = 0.1;

type Status = NonNullable<HorizontalPodAutoscaler['status']>;

/** Of one autoscaler, from one look to the next. */
interface Memory {
  readonly uid: string | undefined;
  readonly spec: HorizontalPodAutoscaler['spec'];
  readonly lookedMs: number;
  readonly history: ScalingHistory | undefined;
  /** Of the pods it scales, where that is known. */
  readonly selector: string;
}

/**
 * Gives what each autoscaler names the size that brings the use of cpu and memory to its targets, looked at once in
 * fifteen seconds, and at once when it is written. Sizes recommended before are remembered in memory alone, as
 * Kubernetes does: after a restart, nothing is taken away for a whole window.
 */
export function horizontalPodAutoscalerController(
  kinds: ServedKinds,
): Controller<HorizontalPodAutoscaler> {
  const memories = new Map<string, Memory>();
  return defineController<HorizontalPodAutoscaler>({
    kind: HorizontalPodAutoscaler,
    async reconcile(autoscaler, context) {
      const { spec, metadata } = autoscaler;
      const { uid } = metadata;
      const id = idOf({ namespace: '', name: '', ...metadata });
      const known = memories.get(id);
      const memory = known?.uid === uid ? known : undefined;
      const nowMs = context.clock.monotonicMs();
      const waitMs = (memory?.lookedMs ?? -Infinity) + PERIOD_MS - nowMs;
      // Its own status is no news: between two looks only a new spec is, which no generation tells of this kind.
      if (memory && isSameContent(memory.spec, spec) && waitMs > 0) return { againAfterMs: waitMs };
      const rivals = (pods: readonly Pod[]): string[] =>
        [...memories]
          .filter(([other, { selector }]) => other !== id && selects(other, selector, pods))
          .map(([other]) => other);
      const pass = new Pass(autoscaler, { context, kinds, history: memory?.history, rivals });
      const status = await pass.run();
      const { history, selector } = pass;
      memories.set(id, { uid, spec, lookedMs: nowMs, history, selector });
      return { status, againAfterMs: PERIOD_MS };
    },
    forget: (key) => void memories.delete(idOf(key)),
  });
}

function idOf({ namespace, name }: Key): string {
  return `${namespace}/${name}`;
}

/** Whether the autoscaler `id`, whose pods have `selector`, means any of `pods`. */
function selects(id: string, selector: string, pods: readonly Pod[]): boolean {
  if (selector === '') return false;
  const matches = parseLabelSelector(selector);
  const isNear = ({ metadata: { namespace = '' } }: Pod): boolean => id.startsWith(`${namespace}/`);
  return pods.some((pod) => isNear(pod) && matches(pod.metadata.labels ?? {}));
}

interface Bounds {
  readonly current: number;
  readonly min: number;
  readonly max: number;
}

/** A number and where it comes from. */
interface Decision {
  readonly replicas: number;
  readonly reason: string;
  readonly metrics: readonly MetricStatus[];
}

interface Surroundings {
  readonly context: Context;
  readonly kinds: ServedKinds;
  readonly history: ScalingHistory | undefined;
  /** The other autoscalers, `namespace/name`, that mean one of these pods. */
  readonly rivals: (pods: readonly Pod[]) => readonly string[];
}

/** One look at one autoscaler. */
class Pass {
  readonly #autoscaler: HorizontalPodAutoscaler;
  readonly #context: Context;
  readonly #kinds: ServedKinds;
  readonly #conditions: AutoscalerConditions;
  readonly #rivals: Surroundings['rivals'];
  #history: ScalingHistory | undefined;
  #selector = '';

  constructor(
    autoscaler: HorizontalPodAutoscaler,
    { context, kinds, history, rivals }: Surroundings,
  ) {
    this.#rivals = rivals;
    this.#autoscaler = autoscaler;
    this.#context = context;
    this.#kinds = kinds;
    this.#history = history;
    this.#conditions = new AutoscalerConditions(autoscaler.status?.conditions, context.clock.now());
  }

  get history(): ScalingHistory | undefined {
    return this.#history;
  }

  get selector(): string {
    return this.#selector;
  }

  async run(): Promise<Status> {
    const target = await this.#readTarget();
    const before = this.#autoscaler.status;
    if (!target) return this.#status(before ?? { desiredReplicas: 0 });
    this.#able(
      'SucceededGetScale',
      "the HPA controller was able to get the target's current scale",
    );
    const { minReplicas: min = 1, maxReplicas: max = 1 } = this.#autoscaler.spec ?? {};
    const current = target.replicas;
    this.#history ??= beginHistory(this.#nowMs, current);
    const decision = await this.#decide(target, { current, min, max });
    const { replicas, metrics } = decision;
    const seen = { ...before, currentReplicas: current, currentMetrics: [...metrics] };
    if (replicas === current) return this.#status({ ...seen, desiredReplicas: current });
    if (!(await this.#resize(target, decision))) {
      return this.#status({ ...seen, desiredReplicas: before?.desiredReplicas ?? 0 });
    }
    const lastScaleTime = timestamp(this.#context.clock.now());
    return this.#status({ ...seen, desiredReplicas: replicas, lastScaleTime });
  }

  get #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }

  async #readTarget(): Promise<ScaleTarget | undefined> {
    try {
      return await readScaleTarget(this.#autoscaler, {
        kinds: this.#kinds,
        client: this.#context.live,
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const reason = 'FailedGetScale';
      await this.#warn(reason, error.message);
      const message = `the HPA controller was unable to get the target's current scale: ${error.message}`;
      this.#conditions.set('AbleToScale', { is: false, reason, message });
      return undefined;
    }
  }

  async #decide(target: ScaleTarget, { current, min, max }: Bounds): Promise<Decision> {
    const metrics = this.#autoscaler.status?.currentMetrics ?? [];
    if (current === 0 && min !== 0) {
      const message = 'scaling is disabled since the replica count of the target is zero';
      this.#conditions.set('ScalingActive', { is: false, reason: 'ScalingDisabled', message });
      return { replicas: 0, reason: '', metrics };
    }
    const bound = (replicas: number, where: string): Decision => ({
      replicas,
      reason: `Current number of replicas ${where}`,
      metrics,
    });
    if (current > max) return bound(max, 'above Spec.MaxReplicas');
    if (current < min) return bound(min, 'below Spec.MinReplicas');
    if (target.selector === '') {
      await this.#warn('SelectorRequired', 'selector is required');
      const message = "the HPA target's scale is missing a selector";
      this.#conditions.set('ScalingActive', { is: false, reason: 'InvalidSelector', message });
      return { replicas: current, reason: '', metrics: [] };
    }
    this.#selector = target.selector;
    const { decision, statuses } = await this.#evaluate(target);
    if (!decision) return { replicas: current, reason: '', metrics: statuses };
    const message = `the HPA was able to successfully calculate a replica count from ${decision.metric}`;
    this.#conditions.set('ScalingActive', { is: true, reason: 'ValidMetricFound', message });
    const replicas = this.#normalize(decision.replicas, { current, min, max });
    const isUp = decision.replicas > current;
    const reason = isUp ? `${decision.metric} above target` : 'All metrics below target';
    return { replicas, reason, metrics: statuses };
  }

  async #evaluate({ selector, replicas }: ScaleTarget): Promise<Evaluation> {
    const { client, live, clock } = this.#context;
    const { namespace = '' } = this.#autoscaler.metadata;
    const selection = { namespace, labelSelector: selector };
    const { items: pods } = await client.list(Pod, selection);
    const rivals = this.#rivals(pods);
    if (rivals.length > 0) return await this.#refuseAmbiguous(selector, rivals);
    const metrics = await live.list(PodMetrics, selection).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      const problem = `unable to fetch metrics from resource metrics API: ${error.message}`;
      return new MetricUnavailable(problem, { cause: error });
    });
    const evaluation = evaluateMetrics(this.#autoscaler.spec?.metrics ?? [], {
      pods,
      metrics: metrics instanceof MetricUnavailable ? metrics : metrics.items,
      currentReplicas: replicas,
      tolerance: toleranceOf(this.#autoscaler),
      nowMs: clock.now().getTime(),
    });
    for (const { reason, message } of evaluation.failures) await this.#warn(reason, message);
    const [first] = evaluation.failures;
    if (first && !evaluation.decision) {
      const { reason } = first;
      const message = `the HPA was unable to compute the replica count: ${first.message}`;
      this.#conditions.set('ScalingActive', { is: false, reason, message });
      await this.#warn('FailedComputeMetricsReplicas', evaluation.problem);
    }
    return evaluation;
  }

  /** Two that scale the same pods would undo each other's work; none of them does it. */
  async #refuseAmbiguous(selector: string, rivals: readonly string[]): Promise<Evaluation> {
    const { namespace = '', name = '' } = this.#autoscaler.metadata;
    const all = [`${namespace}/${name}`, ...rivals].map(
      (id) => `{${id.split('/').toReversed().join(' ')}}`,
    );
    const message = `pods by selector ${selector} are controlled by multiple HPAs: [${all.join(' ')}]`;
    const reason = 'AmbiguousSelector';
    this.#conditions.set('ScalingActive', { is: false, reason, message });
    await this.#warn(reason, message);
    await this.#warn('FailedComputeMetricsReplicas', message);
    return { decision: undefined, statuses: [], failures: [], problem: message };
  }

  #normalize(desired: number, bounds: Bounds): number {
    const nowMs = this.#nowMs;
    const moment = { atMs: nowMs, replicas: desired };
    const history = withRecommendation(this.#history ?? beginHistory(nowMs, desired), moment);
    this.#history = history;
    const { behavior } = this.#autoscaler.spec ?? {};
    const given: Normalization = { ...bounds, desired, behavior, history, nowMs };
    const lasting = stabilize(given);
    this.#able(lasting.reason, lasting.message);
    const limited = limit({ ...given, desired: lasting.replicas });
    const { isChanged: is, reason, message } = limited;
    this.#conditions.set('ScalingLimited', { is, reason, message });
    return limited.replicas;
  }

  async #resize(target: ScaleTarget, { replicas, reason }: Decision): Promise<boolean> {
    const size = `New size: ${replicas}; reason: ${reason}`;
    try {
      await target.resize(replicas);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      await this.#warn('FailedRescale', `${size}; error: ${error.message}`);
      const message = `the HPA controller was unable to update the target scale: ${error.message}`;
      this.#conditions.set('AbleToScale', { is: false, reason: 'FailedUpdateScale', message });
      return false;
    }
    const atMs = this.#nowMs;
    const history = this.#history ?? beginHistory(atMs, replicas);
    this.#history = withChange(history, { atMs, from: target.replicas, to: replicas });
    const message = `the HPA controller was able to update the target scale to ${replicas}`;
    this.#able('SucceededRescale', message);
    await this.#tell('Normal', 'SuccessfulRescale', size);
    return true;
  }

  #status(status: Status): Status {
    const { generation } = this.#autoscaler.metadata;
    return {
      ...status,
      ...(generation !== undefined && { observedGeneration: generation }),
      conditions: this.#conditions.list(),
    };
  }

  #able(reason: string, message: string): void {
    this.#conditions.set('AbleToScale', { is: true, reason, message });
  }

  #warn(reason: string, message: string): Promise<void> {
    return this.#tell('Warning', reason, message);
  }

  #tell(type: 'Normal' | 'Warning', reason: string, message: string): Promise<void> {
    const component = 'horizontal-pod-autoscaler';
    return recordEvent(this.#context, this.#autoscaler, { type, reason, message, component });
  }
}

function toleranceOf({ spec }: HorizontalPodAutoscaler): Tolerance {
  const { scaleUp, scaleDown } = spec?.behavior ?? {};
  const of = (own: string | number | undefined): number =>
    own === undefined ? TOLERANCE : amountOf(own);
  return { up: of(scaleUp?.tolerance), down: of(scaleDown?.tolerance) };
}
