import { Deployment } from '#api/apps-v1/deployment.ts';
import { Metric } from '#api/autoscaling-v1alpha1/metric.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import {
  HPA_CLASS,
  KPA_CLASS,
  parseScaleAnnotations,
} from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Clock } from '#base/clock.ts';
import type { Kind, StatusOf } from '#api/kind.ts';
import { conditionOf } from '#api/meta/conditions.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { USER_PORT_NAME } from '#api/serving-v1/revision-template.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { AutoscalerConfig } from '#api/serving-config/config-autoscaler.ts';
import type { Autoscaler } from '#autoscaler/autoscaler.ts';
import { decideReplicas, type ReplicasDecision } from '#autoscaler/decide-replicas.ts';
import { scaleSettings, type ScaleSettings } from '#autoscaler/scale-settings.ts';
import type { Client } from '#client/client.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import { ConditionAges } from '#reconcile/condition-ages.ts';
import {
  defineController,
  on,
  type Context,
  type Controller,
  type Key,
  type Outcome,
} from '#reconcile/controller.ts';
import { ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import { desiredMetric } from '#controllers/serving/pod-autoscaler/desired-metric.ts';
import {
  activatorsFor,
  desiredServerlessService,
} from '#controllers/serving/pod-autoscaler/desired-serverless-service.ts';
import { reconcileHpaClass } from '#controllers/serving/pod-autoscaler/hpa-class.ts';
import {
  countPods,
  type PodCounts,
  PodMeters,
} from '#controllers/serving/pod-autoscaler/pod-meters.ts';
import { takenFrom, trialsOf } from '#controllers/serving/pod-autoscaler/autoscaler-words.ts';
import {
  markNotOwned,
  markScale,
  podAutoscalerStatus,
} from '#controllers/serving/pod-autoscaler/pod-autoscaler-status.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

export interface PodAutoscalerOptions {
  readonly config: ServingConfig;
  readonly autoscaler: Autoscaler;
  /** Where numbers of pods are measured; nowhere where absent. */
  readonly metrics?: Metrics | undefined;
}

interface Parts extends PodAutoscalerOptions {
  readonly ages: ConditionAges;
  readonly meters: PodMeters | undefined;
}

/** Everything a decision is made from. */
interface Observed {
  readonly deployment: Deployment | undefined;
  readonly sks: ServerlessService | undefined;
  readonly pods: PodCounts;
  readonly settings: ScaleSettings;
  readonly isReachable: boolean;
}

/**
 * PodAutoscaler of class kpa → ServerlessService and the Deployment's replica count, which nobody else writes (serving
 * specification §3.7).
 */
export function podAutoscalerController(options: PodAutoscalerOptions): Controller<PodAutoscaler> {
  const ages = new ConditionAges();
  const meters = options.metrics && new PodMeters(options.metrics);
  return defineController<PodAutoscaler>({
    kind: PodAutoscaler,
    owns: [ServerlessService, HorizontalPodAutoscaler, Metric],
    watches: [on(Pod, keyByRevision), on(Deployment, keyByRevision)],
    triggers: [options.autoscaler.trigger],
    reconcile: (autoscaler, context) =>
      reconcilePodAutoscaler(autoscaler, context, { ...options, ages, meters }),
    forget(key) {
      options.autoscaler.forget(key);
      ages.forget(key);
      meters?.forget(key);
    },
  });
}

function keyByRevision({ metadata }: Pod | Deployment): Key[] {
  const name = metadata.labels?.[servingKeys.revision];
  return name === undefined ? [] : [{ namespace: metadata.namespace ?? '', name }];
}

async function reconcilePodAutoscaler(
  autoscaler: PodAutoscaler,
  context: Context,
  options: Parts,
): Promise<Outcome<StatusOf<PodAutoscaler>>> {
  const config = options.config.settings().autoscaler;
  const said = parseScaleAnnotations(autoscaler.metadata.annotations);
  switch (said.class ?? config.podAutoscalerClass) {
    case KPA_CLASS:
      return await reconcileKpaClass(autoscaler, context, options);
    case HPA_CLASS:
      return await reconcileHpaClass(autoscaler, context, settingsOf(autoscaler, config));
    default:
      // Somebody else's to scale.
      return {};
  }
}

async function reconcileKpaClass(
  autoscaler: PodAutoscaler,
  { client, clock }: Context,
  options: Parts,
): Promise<Outcome<StatusOf<PodAutoscaler>>> {
  const now = clock.now();
  const observed = await observe(client, autoscaler, options.config);
  const readyPods = observed.pods.ready;
  const { name, namespace } = placeOf(autoscaler.metadata);
  const decision = options.autoscaler.observe({
    namespace,
    revision: name,
    deployment: autoscaler.spec.scaleTargetRef.name ?? '',
    port: portOf(observed.deployment),
    settings: observed.settings,
    isReachable: observed.isReachable,
    readyPods,
    ...(autoscaler.metadata.labels && { labels: autoscaler.metadata.labels }),
  });
  // Until the Services are there nothing can be served, and so nothing is scaled.
  const isServed = observed.sks?.status?.privateServiceName !== undefined;
  const replicas: ReplicasDecision = isServed
    ? decideReplicas(
        replicasInput(autoscaler, observed, { ...options, clock, desired: decision.desired }),
        observed.settings,
      )
    : { wanted: -1 };
  await scale(client, observed.deployment, replicas.replicas);
  const isServing = replicas.wanted > 0 && decision.excessBurstCapacity >= 0;
  const desired = desiredServerlessService(autoscaler, {
    mode: isServing ? 'Serve' : 'Proxy',
    numActivators: activatorsFor(readyPods, observed.settings),
  });
  const sks = await ensureOwned(client, ServerlessService, {
    owner: autoscaler,
    desired,
    says: trialsOf('SKS', name),
  });
  let taken: Kind | undefined = sks ? undefined : ServerlessService;
  const { settings } = observed;
  const { privateServiceName } = observed.sks?.status ?? {};
  if (privateServiceName !== undefined) {
    const metric = desiredMetric(autoscaler, { settings, privateServiceName });
    const ensured = await ensureOwned(client, Metric, {
      owner: autoscaler,
      desired: metric,
      says: trialsOf('metric'),
    });
    if (!ensured) taken ??= Metric;
  }
  const serviceName = sks?.status?.serviceName ?? '';
  const { wanted } = replicas;
  options.meters?.record(autoscaler, observed.pods, wanted);
  const status = podAutoscalerStatus(autoscaler, {
    sks,
    now,
    ...(wanted >= 0 && { desiredScale: wanted }),
    actualScale: readyPods,
    mark(conditions) {
      markScale(conditions, { wanted, readyPods, serviceName }, settings);
      if (taken !== undefined) markNotOwned(conditions, taken.kind, name);
    },
  });
  return {
    status,
    ...(replicas.againAfterMs !== undefined && { againAfterMs: replicas.againAfterMs }),
    ...(taken !== undefined && { failure: takenFrom(autoscaler, taken) }),
  };
}

async function observe(
  client: Client,
  autoscaler: PodAutoscaler,
  config: ServingConfig,
): Promise<Observed> {
  const { name, namespace } = placeOf(autoscaler.metadata);
  const target = { namespace, name: autoscaler.spec.scaleTargetRef.name ?? '' };
  const labelSelector = `${servingKeys.revision}=${name}`;
  const { items: pods } = await client.list(Pod, { namespace, labelSelector });
  return {
    deployment: await client.get(Deployment, target),
    sks: await client.get(ServerlessService, { namespace, name }),
    pods: countPods(pods),
    settings: settingsOf(autoscaler, config.settings().autoscaler),
    isReachable: isReachableOf(autoscaler.spec),
  };
}

function settingsOf({ metadata, spec }: PodAutoscaler, config: AutoscalerConfig): ScaleSettings {
  const { containerConcurrency = 0 } = spec;
  const { annotations } = metadata;
  const isReachable = isReachableOf(spec);
  return scaleSettings({ annotations, containerConcurrency, isReachable }, config);
}

function isReachableOf({ reachability }: PodAutoscaler['spec']): boolean {
  return reachability !== 'Unreachable';
}

function portOf(deployment: Deployment | undefined): number {
  const ports = deployment?.spec?.template.spec?.containers.flatMap(({ ports: own }) => own ?? []);
  return ports?.find(({ name }) => name === USER_PORT_NAME)?.containerPort ?? 0;
}

function replicasInput(
  autoscaler: PodAutoscaler,
  { sks, isReachable, deployment }: Observed,
  { ages, clock, desired }: { ages: ConditionAges; clock: Clock; desired: number },
): Parameters<typeof decideReplicas>[0] {
  const proxied = 'ActivatorEndpointsPopulated';
  const isProxied = sks !== undefined && conditionOf(sks, proxied)?.status === 'True';
  return {
    desired,
    isReachable,
    isInitialized: conditionOf(autoscaler, 'ScaleTargetInitialized')?.status === 'True',
    active: conditionOf(autoscaler, 'Active')?.status ?? 'Unknown',
    activeForMs: ages.ageMs(autoscaler, { type: 'Active', clock }),
    isProxied,
    proxiedForMs: isProxied ? ages.ageMs(sks, { type: proxied, clock }) : 0,
    progressDeadlineMs: (deployment?.spec?.progressDeadlineSeconds ?? 0) * 1_000,
  };
}

async function scale(
  client: Client,
  deployment: Deployment | undefined,
  replicas: number | undefined,
): Promise<void> {
  if (!deployment || replicas === undefined) return;
  if ((deployment.spec?.replicas ?? 1) === replicas) return;
  const patch = [{ op: 'add', path: '/spec/replicas', value: replicas }];
  await client.patch(Deployment, placeOf(deployment.metadata), patch, {
    type: 'json',
    subresource: 'scale',
  });
}
