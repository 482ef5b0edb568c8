import { Deployment } from '#api/apps-v1/deployment.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { KPA_CLASS, parseScaleAnnotations } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { StatusOf } from '#api/kind.ts';
import { conditionOf, Conditions } from '#api/meta/conditions.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { USER_PORT_NAME } from '#api/serving-v1/revision-template.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Autoscaler } from '#autoscaler/autoscaler.ts';
import { decideReplicas, type ReplicasDecision } from '#autoscaler/decide-replicas.ts';
import { scaleSettings, type ScaleSettings } from '#autoscaler/scale-settings.ts';
import type { Client } from '#client/client.ts';
import {
  defineController,
  on,
  type Context,
  type Controller,
  type Key,
  type Outcome,
} from '#reconcile/controller.ts';
import { ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import {
  activatorsFor,
  desiredServerlessService,
} from '#controllers/serving/pod-autoscaler/desired-serverless-service.ts';
import {
  conditionAgeMs,
  markScale,
  markServerlessService,
} from '#controllers/serving/pod-autoscaler/pod-autoscaler-status.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

export interface PodAutoscalerOptions {
  readonly config: ServingConfig;
  readonly autoscaler: Autoscaler;
}

/** Everything a decision is made from. */
interface Observed {
  readonly deployment: Deployment | undefined;
  readonly sks: ServerlessService | undefined;
  readonly readyPods: number;
  readonly settings: ScaleSettings;
  readonly isReachable: boolean;
}

/**
 * PodAutoscaler of class kpa → ServerlessService and the Deployment's replica count, which nobody else writes (serving
 * specification §3.7).
 */
export function podAutoscalerController(options: PodAutoscalerOptions): Controller<PodAutoscaler> {
  return defineController<PodAutoscaler>({
    kind: PodAutoscaler,
    owns: [ServerlessService],
    watches: [on(Pod, keyByRevision), on(Deployment, keyByRevision)],
    triggers: [options.autoscaler.trigger],
    reconcile: (autoscaler, context) => reconcilePodAutoscaler(autoscaler, context, options),
    forget: (key) => options.autoscaler.forget(key),
  });
}

function keyByRevision({ metadata }: Pod | Deployment): Key[] {
  const name = metadata.labels?.[servingKeys.revision];
  return name === undefined ? [] : [{ namespace: metadata.namespace ?? '', name }];
}

async function reconcilePodAutoscaler(
  autoscaler: PodAutoscaler,
  { client, clock }: Context,
  options: PodAutoscalerOptions,
): Promise<Outcome<StatusOf<PodAutoscaler>>> {
  const said = parseScaleAnnotations(autoscaler.metadata.annotations);
  if ((said.class ?? KPA_CLASS) !== KPA_CLASS) return {};
  const now = clock.now();
  const observed = await observe(client, autoscaler, options.config);
  const { name, namespace } = placeOf(autoscaler.metadata);
  const decision = options.autoscaler.observe({
    namespace,
    revision: name,
    deployment: autoscaler.spec.scaleTargetRef.name ?? '',
    port: portOf(observed.deployment),
    settings: observed.settings,
    isReachable: observed.isReachable,
    readyPods: observed.readyPods,
  });
  // Until the Services are there nothing can be served, and so nothing is scaled.
  const isServed = observed.sks?.status?.privateServiceName !== undefined;
  const replicas: ReplicasDecision = isServed
    ? decideReplicas(
        replicasInput(autoscaler, observed, { now, desired: decision.desired }),
        observed.settings,
      )
    : { wanted: -1 };
  await scale(client, observed.deployment, replicas.replicas);
  const isServing = replicas.wanted > 0 && decision.excessBurstCapacity >= 0;
  const desired = desiredServerlessService(autoscaler, {
    mode: isServing ? 'Serve' : 'Proxy',
    numActivators: activatorsFor(observed.readyPods, observed.settings),
  });
  const ensured = await ensureOwned(client, ServerlessService, { owner: autoscaler, desired });
  const status = podAutoscalerStatus(autoscaler, {
    ...observed,
    sks: ensured?.object,
    wanted: replicas.wanted,
    now,
  });
  return {
    status,
    ...(replicas.againAfterMs !== undefined && { againAfterMs: replicas.againAfterMs }),
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
    readyPods: pods.filter(isReadyPod).length,
    settings: scaleSettings(
      {
        annotations: autoscaler.metadata.annotations,
        containerConcurrency: autoscaler.spec.containerConcurrency ?? 0,
      },
      config.autoscaler,
    ),
    isReachable: autoscaler.spec.reachability !== 'Unreachable',
  };
}

function isReadyPod({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True';
}

function portOf(deployment: Deployment | undefined): number {
  const ports = deployment?.spec?.template.spec?.containers.flatMap(({ ports: own }) => own ?? []);
  return ports?.find(({ name }) => name === USER_PORT_NAME)?.containerPort ?? 0;
}

function replicasInput(
  autoscaler: PodAutoscaler,
  { sks, isReachable, deployment }: Observed,
  { now, desired }: { readonly now: Date; readonly desired: number },
): Parameters<typeof decideReplicas>[0] {
  const proxied = 'ActivatorEndpointsPopulated';
  const isProxied = sks !== undefined && conditionOf(sks, proxied)?.status === 'True';
  return {
    desired,
    isReachable,
    isInitialized: conditionOf(autoscaler, 'ScaleTargetInitialized')?.status === 'True',
    active: conditionOf(autoscaler, 'Active')?.status ?? 'Unknown',
    activeForMs: conditionAgeMs(autoscaler, 'Active', now),
    isProxied,
    proxiedForMs: isProxied ? conditionAgeMs(sks, proxied, now) : 0,
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

function podAutoscalerStatus(
  autoscaler: PodAutoscaler,
  {
    sks,
    wanted,
    now,
    readyPods,
    settings,
  }: Observed & { readonly wanted: number; readonly now: Date },
): StatusOf<PodAutoscaler> {
  const { status, metadata } = autoscaler;
  const conditions = new Conditions({
    set: PodAutoscaler.conditions,
    previous: status?.conditions,
    now,
  });
  const serviceName = sks?.status?.serviceName ?? '';
  const isServed = sks?.status?.privateServiceName !== undefined;
  markServerlessService(conditions, sks);
  markScale(conditions, { wanted: isServed ? wanted : -1, readyPods, serviceName }, settings);
  // A decision that knows nothing does not unsay the last one.
  const desiredScale = wanted >= 0 ? wanted : (status?.desiredScale ?? wanted);
  return {
    ...(metadata.generation !== undefined && { observedGeneration: metadata.generation }),
    ...(serviceName !== '' && { serviceName }),
    metricsServiceName: sks?.status?.privateServiceName ?? '',
    desiredScale,
    actualScale: readyPods,
    conditions: conditions.list(),
  };
}
