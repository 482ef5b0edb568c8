import type {
  Affinity,
  EnvFromSource,
  EnvVar,
  ExecAction,
  HostAlias,
  HTTPHeader,
  LocalObjectReference,
  PodDNSConfig,
  PodSecurityContext,
  ResourceRequirements,
  SecurityContext,
  Toleration,
  TopologySpreadConstraint,
  Volume,
  VolumeMount,
} from '#api/generated/core-v1.ts';
import {
  array,
  boolean,
  core,
  integer,
  intOrString,
  map,
  object,
  optional,
  string,
  type Of,
} from '#api/schema.ts';

const int32 = integer({ format: 'int32' });
const int64 = integer({ format: 'int64' });

/** Of a list whose items several appliers may own, each the items of its keys. */
function listBy(key: string) {
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] } as const;
}

/** A probe as Knative takes it: ports may be left out, they are the serving port. */
export type RevisionProbe = Of<typeof RevisionProbe>;
const RevisionProbe = object({
  exec: optional(core<ExecAction>('io.k8s.api.core.v1.ExecAction')),
  grpc: optional(object({ port: optional(int32), service: optional(string()) })),
  httpGet: optional(
    object({
      host: optional(string()),
      httpHeaders: optional(array(core<HTTPHeader>('io.k8s.api.core.v1.HTTPHeader'))),
      path: optional(string()),
      port: optional(intOrString()),
      scheme: optional(string()),
    }),
  ),
  tcpSocket: optional(object({ host: optional(string()), port: optional(intOrString()) })),
  failureThreshold: optional(int32),
  initialDelaySeconds: optional(int32),
  periodSeconds: optional(int32),
  successThreshold: optional(int32),
  terminationGracePeriodSeconds: optional(int64),
  timeoutSeconds: optional(int32),
});

export type RevisionContainer = Of<typeof RevisionContainer>;
const RevisionContainer = object({
  args: optional(array(string())),
  command: optional(array(string())),
  env: optional(array(core<EnvVar>('io.k8s.api.core.v1.EnvVar'), listBy('name'))),
  envFrom: optional(array(core<EnvFromSource>('io.k8s.api.core.v1.EnvFromSource'))),
  image: optional(string()),
  imagePullPolicy: optional(string()),
  livenessProbe: optional(RevisionProbe),
  name: optional(string()),
  ports: optional(
    array(
      object({
        containerPort: optional(int32),
        name: optional(string()),
        protocol: optional(string({ default: 'TCP' })),
        // Typed so that validation can refuse them by name.
        hostIP: optional(string()),
        hostPort: optional(int32),
      }),
    ),
  ),
  readinessProbe: optional(RevisionProbe),
  resources: optional(core<ResourceRequirements>('io.k8s.api.core.v1.ResourceRequirements')),
  securityContext: optional(core<SecurityContext>('io.k8s.api.core.v1.SecurityContext')),
  startupProbe: optional(RevisionProbe),
  terminationMessagePath: optional(string()),
  terminationMessagePolicy: optional(string()),
  volumeMounts: optional(
    array(core<VolumeMount>('io.k8s.api.core.v1.VolumeMount'), listBy('mountPath')),
  ),
  workingDir: optional(string()),
});

/**
 * The part of a PodSpec that Knative lets a user say, as trimmed as upstream's CRD: what is not here is unknown to the
 * API server. Beside it stand the four fields that are Knative's own.
 */
export type RevisionSpec = Of<typeof RevisionSpec>;
export const RevisionSpec = object({
  /** Requests at once in one pod; 0: no limit. */
  containerConcurrency: optional(int64),
  timeoutSeconds: optional(int64),
  responseStartTimeoutSeconds: optional(int64),
  idleTimeoutSeconds: optional(int64),

  affinity: optional(core<Affinity>('io.k8s.api.core.v1.Affinity')),
  automountServiceAccountToken: optional(boolean()),
  containers: optional(array(RevisionContainer)),
  dnsConfig: optional(core<PodDNSConfig>('io.k8s.api.core.v1.PodDNSConfig')),
  dnsPolicy: optional(string()),
  enableServiceLinks: optional(boolean()),
  hostAliases: optional(array(core<HostAlias>('io.k8s.api.core.v1.HostAlias'))),
  hostIPC: optional(boolean()),
  hostNetwork: optional(boolean()),
  hostPID: optional(boolean()),
  imagePullSecrets: optional(
    array(core<LocalObjectReference>('io.k8s.api.core.v1.LocalObjectReference'), listBy('name')),
  ),
  initContainers: optional(array(RevisionContainer)),
  nodeSelector: optional(map(string())),
  priorityClassName: optional(string()),
  runtimeClassName: optional(string()),
  schedulerName: optional(string()),
  securityContext: optional(core<PodSecurityContext>('io.k8s.api.core.v1.PodSecurityContext')),
  serviceAccountName: optional(string()),
  shareProcessNamespace: optional(boolean()),
  tolerations: optional(array(core<Toleration>('io.k8s.api.core.v1.Toleration'))),
  topologySpreadConstraints: optional(
    array(core<TopologySpreadConstraint>('io.k8s.api.core.v1.TopologySpreadConstraint')),
  ),
  volumes: optional(array(core<Volume>('io.k8s.api.core.v1.Volume'), listBy('name'))),
});

export type RevisionTemplate = Of<typeof RevisionTemplate>;
export const RevisionTemplate = object({
  metadata: optional(
    object(
      {
        annotations: optional(map(string())),
        finalizers: optional(array(string())),
        labels: optional(map(string())),
        name: optional(string()),
        namespace: optional(string()),
      },
      { 'x-kubernetes-preserve-unknown-fields': true },
    ),
  ),
  spec: optional(RevisionSpec),
});

/** The container that requests go to: the only one, or the one with a port. */
export function servingContainer(spec: RevisionSpec): RevisionContainer | undefined {
  const containers = spec.containers ?? [];
  if (containers.length <= 1) return containers[0];
  return containers.find((container) => (container.ports ?? []).length > 0);
}

/** Whether a container is taken for that one; several that have ports are, until all but one is refused. */
export function isServing(container: RevisionContainer, spec: RevisionSpec): boolean {
  return spec.containers?.length === 1 || (container.ports ?? []).length > 0;
}

export const USER_PORT_NAME = 'user-port';
const DEFAULT_USER_PORT = 8080;

export function userPort(spec: RevisionSpec): number {
  return servingContainer(spec)?.ports?.[0]?.containerPort || DEFAULT_USER_PORT;
}

export function protocolOf(spec: RevisionSpec): 'http1' | 'h2c' {
  return servingContainer(spec)?.ports?.[0]?.name === 'h2c' ? 'h2c' : 'http1';
}
