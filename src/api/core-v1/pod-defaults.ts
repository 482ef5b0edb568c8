import { podAmounts } from '#api/core-v1/pod-requests.ts';
import type {
  Container,
  DownwardAPIVolumeFile,
  PodSpec,
  Probe,
  Volume,
} from '#api/generated/core-v1.ts';
import { renderQuantity } from '#api/meta/quantity.ts';

/**
 * What Kubernetes fills in when a pod, or a template of one, leaves it out; changes `spec` in place. Everybody who builds
 * pod specs and compares them with what a server answered needs the same values.
 */
export function defaultPodSpec(spec: PodSpec): void {
  // The schema lets a Go client's nil pass; that a pod needs a container is validation's to say.
  spec.containers ??= [];
  spec.restartPolicy ??= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  if (spec.terminationGracePeriodSeconds < 0) spec.terminationGracePeriodSeconds = 1;
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.schedulerName ??= 'default-scheduler';
  spec.securityContext ??= {};
  // The older of the two names for it, which some still read.
  const account = spec.serviceAccountName ?? spec.serviceAccount;
  if (account !== undefined) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  for (const container of spec.initContainers ?? []) {
    // Beside the pod's own, a container has only one word of its own for it.
    if (container.restartPolicy !== 'Always') delete container.restartPolicy;
    defaultContainer(container);
  }
  for (const container of [...spec.containers, ...(spec.ephemeralContainers ?? [])]) {
    delete container.restartPolicy;
    defaultContainer(container);
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

/** What a pod has beyond its template: what it may use it also asks for, and on the node's network its ports are that. */
export function defaultPod(spec: PodSpec): void {
  defaultPodSpec(spec);
  spec.enableServiceLinks ??= true;
  for (const { resources, ports } of [...(spec.initContainers ?? []), ...spec.containers]) {
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests };
    if (!spec.hostNetwork) continue;
    for (const port of ports ?? []) port.hostPort ||= port.containerPort;
  }
  const { resources } = spec;
  if (!resources?.limits) return;
  const asked = [...podAmounts({ ...spec, overhead: {} }, 'requests')]
    .filter(([name]) => name === 'cpu' || name === 'memory')
    .map(([name, amount]) => [name, renderQuantity(amount)] as const);
  resources.requests = {
    ...resources.limits,
    ...Object.fromEntries(asked),
    ...resources.requests,
  };
}

function defaultContainer(container: Container): void {
  container.imagePullPolicy ??= pullPolicyOf(container.image ?? '');
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  container.resources ??= {};
  for (const port of container.ports ?? []) port.protocol ??= 'TCP';
  for (const variable of container.env ?? []) {
    if (variable.valueFrom) defaultReference(variable.valueFrom);
  }
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  for (const probe of [livenessProbe, readinessProbe, startupProbe]) if (probe) defaultProbe(probe);
  for (const hook of [lifecycle?.postStart, lifecycle?.preStop]) {
    if (hook?.httpGet) defaultHttpGet(hook.httpGet);
  }
}

function defaultReference({
  fieldRef,
  resourceFieldRef,
}: Pick<DownwardAPIVolumeFile, 'fieldRef' | 'resourceFieldRef'>): void {
  if (fieldRef) fieldRef.apiVersion ??= 'v1';
  if (resourceFieldRef) resourceFieldRef.divisor ??= '0';
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ??= 1;
  probe.periodSeconds ??= 10;
  probe.successThreshold ??= 1;
  probe.failureThreshold ??= 3;
  if (probe.httpGet) defaultHttpGet(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= '';
}

function defaultHttpGet(action: NonNullable<Probe['httpGet']>): void {
  action.path ||= '/';
  action.scheme ??= 'HTTP';
}

const FILE_MODE = 0o644;

/** The name is all it has: what a volume is made of is nothing then. */
function isUnsaid(volume: Volume): boolean {
  return Object.keys(volume).every((field) => field === 'name');
}

function defaultVolume(volume: Volume): void {
  if (isUnsaid(volume)) volume.emptyDir = {};
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim) claim.volumeMode ??= 'Filesystem';
  for (const source of [volume.secret, volume.configMap, volume.downwardAPI, volume.projected]) {
    if (source) source.defaultMode ??= FILE_MODE;
  }
  if (volume.hostPath) volume.hostPath.type ??= '';
  for (const file of volume.downwardAPI?.items ?? []) defaultReference(file);
  for (const { serviceAccountToken, downwardAPI } of volume.projected?.sources ?? []) {
    if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600;
    for (const file of downwardAPI?.items ?? []) defaultReference(file);
  }
}

/** `latest` may be another image tomorrow; a digest or a version may not. */
function pullPolicyOf(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1);
  if (name.includes('@')) return 'IfNotPresent';
  const tag = name.split(':')[1];
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
}
