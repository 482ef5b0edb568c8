import type { Deployment } from '#api/apps-v1/deployment.ts';
import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { parseScaleAnnotations } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { isReady, type Condition } from '#api/meta/conditions.ts';
import type { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { Route } from '#api/serving-v1/route.ts';
import type { Service } from '#api/serving-v1/service.ts';
import { nextStep } from './next-step.ts';
import { podTrouble, type PodTrouble } from './pod-trouble.ts';

/** What an Event says. */
export interface Warning {
  readonly reason: string;
  readonly message: string;
}

/** All that has to do with a Service; what is not there is absent. */
export interface Found {
  readonly service: Service;
  readonly configuration?: Configuration | undefined;
  readonly route?: Route | undefined;
  readonly ingress?: Ingress | undefined;
  /** Of the Route's hosts. */
  readonly certificates?: readonly Certificate[];
  /** Of a Service that is ready the one that most requests go to; else the one that was made last, which the others follow from. */
  readonly revision?: Revision | undefined;
  /** The newest Warning about it. */
  readonly warning?: Warning | undefined;
  readonly autoscaler?: PodAutoscaler | undefined;
  readonly deployment?: Deployment | undefined;
  /** Of that revision. */
  readonly pods: readonly Pod[];
}

/** One object on the way from the Service to the root of the matter. */
export interface Link {
  readonly kind: string;
  readonly name: string;
  readonly state: 'ready' | 'waiting' | 'failed';
  /** Both empty where nothing is wrong. */
  readonly reason: string;
  readonly message: string;
}

export interface Explanation {
  readonly isReady: boolean;
  /** From the Service down; the last one is the root. */
  readonly chain: readonly Link[];
  /** The pod whose words say most. */
  readonly pod?: { readonly name: string; readonly trouble: PodTrouble };
  /** How many pods it has and why not more or fewer. */
  readonly scale: string;
  readonly next: string;
}

/** Why a Service is as it is. Reads nothing. */
export function explain(found: Found): Explanation {
  const { service, configuration, route } = found;
  const top = link(service, 'Service');
  const isServiceReady = top.state === 'ready';
  const isWell = configuration !== undefined && isReady(configuration);
  const isOfRoute = !isServiceReady && isWell && route !== undefined;
  const below = isServiceReady
    ? deploymentTrouble(found.deployment)
    : isOfRoute
      ? routeChain(found)
      : revisionChain(found);
  const pod = troubledPod(found.pods);
  const chain = [top, ...below, ...(pod && !isOfRoute ? [podLink(pod)] : [])];
  const root = chain.findLast(({ reason }) => reason !== '') ?? top;
  const advice = chain.map(({ reason }) => nextStep(reason)).findLast(Boolean);
  return {
    isReady: isServiceReady,
    chain,
    ...(pod && { pod }),
    scale: scaleText(found),
    next:
      isServiceReady && chain.length === 1 ? 'Nothing is to be done.' : (advice ?? waiting(root)),
  };
}

function waiting({ kind, name, state }: Link): string {
  return state === 'failed'
    ? `See \`kubectl describe ${kind.toLowerCase()} ${name}\`.`
    : 'It is on its way: look again in a moment.';
}

interface Described {
  readonly metadata: { readonly name?: string; readonly generation?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
  };
}

/** The condition that says most: a failed one before one that waits, a part before the sum of all. */
function link(object: Described, kind: string): Link {
  const { conditions = [], observedGeneration } = object.status ?? {};
  const name = object.metadata.name ?? '';
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (!ready || observedGeneration !== object.metadata.generation) {
    const message = 'nobody has looked at its newest state yet';
    return { kind, name, state: 'waiting', reason: 'NotObserved', message };
  }
  if (ready.status === 'True') return { kind, name, state: 'ready', reason: '', message: '' };
  const bad = conditions.filter(({ status, severity }) => status !== 'True' && !severity);
  const parts = bad.filter(({ type }) => type !== 'Ready');
  const worst =
    parts.find(({ status }) => status === 'False') ??
    parts.find(({ reason, message }) => reason ?? message) ??
    ready;
  const { reason = '', message = '' } = worst;
  const state = ready.status === 'False' ? 'failed' : 'waiting';
  return { kind, name, state, reason, message };
}

function routeChain({ route, ingress, certificates = [] }: Found): readonly Link[] {
  const missing = certificates.find((certificate) => !isReady(certificate));
  return [
    ...(route ? [link(route, 'Route')] : []),
    ...(missing ? [link(missing, 'Certificate')] : []),
    ...(ingress && !isReady(ingress) ? [link(ingress, 'Ingress')] : []),
  ];
}

function revisionChain({ configuration, revision, warning, deployment }: Found): readonly Link[] {
  return [
    ...(configuration ? [link(configuration, 'Configuration')] : []),
    ...(revision && !isReady(revision) ? [revisionLink(revision, { warning, deployment })] : []),
    ...deploymentTrouble(deployment),
  ];
}

/** A Deployment that the API refuses is no condition of the Revision, which merely waits for it: Events tell. */
function revisionLink(
  revision: Revision,
  { warning, deployment }: Pick<Found, 'warning' | 'deployment'>,
): Link {
  const own = link(revision, 'Revision');
  if (own.state === 'failed' || !warning || deployment) return own;
  return { ...own, state: 'failed', ...warning };
}

function deploymentTrouble(deployment: Deployment | undefined): readonly Link[] {
  const failed = deployment?.status?.conditions?.find(
    ({ type, status: state }) => type === 'ReplicaFailure' && state === 'True',
  );
  if (!deployment || !failed) return [];
  const { reason = '', message = '' } = failed;
  return [
    { kind: 'Deployment', name: deployment.metadata.name ?? '', state: 'failed', reason, message },
  ];
}

function troubledPod(pods: readonly Pod[]): Explanation['pod'] | undefined {
  for (const pod of pods) {
    const trouble = podTrouble(pod);
    if (trouble) return { name: pod.metadata.name ?? '', trouble };
  }
  return undefined;
}

function podLink({ name, trouble }: NonNullable<Explanation['pod']>): Link {
  const { reason, message, container } = trouble;
  const whose = container === undefined ? '' : `container ${container}: `;
  return { kind: 'Pod', name, state: 'failed', reason, message: `${whose}${message}` };
}

function scaleText({ revision, autoscaler, deployment, pods }: Found): string {
  if (!revision) return 'No revision has been made yet.';
  const ready = autoscaler?.status?.actualScale ?? deployment?.status?.readyReplicas ?? 0;
  const decided = autoscaler?.status?.desiredScale ?? -1;
  const wanted = decided < 0 ? (deployment?.spec?.replicas ?? 0) : decided;
  const count = `${ready} of ${wanted} pods are ready`;
  const { minScale = 0, maxScale = 0 } = parseScaleAnnotations(revision.metadata.annotations);
  const active = autoscaler?.status?.conditions?.find(({ type }) => type === 'Active');
  if (wanted === 0 && pods.length === 0 && active?.reason === 'NoTraffic') {
    return 'It is at zero, since nobody calls it; the next request starts a pod.';
  }
  if (maxScale > 0 && wanted >= maxScale) return `${count}; max-scale allows no more.`;
  if (minScale > 0 && wanted <= minScale) return `${count}; min-scale allows no fewer.`;
  if (ready < wanted && active?.message) return `${count}. ${active.message}`;
  return `${count}.`;
}
