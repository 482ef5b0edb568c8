import type { Container, EnvVar, PodSpec, Probe } from '#api/generated/core-v1.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import {
  servingContainer,
  USER_PORT_NAME,
  userPort,
  type RevisionContainer,
  type RevisionProbe,
  type RevisionSpec,
} from '#api/serving-v1/revision-template.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';

/** As much of a Revision as its pods are made of. */
export interface PodRevision {
  readonly metadata: ObjectMeta;
  readonly spec: RevisionSpec;
}

/** The pod of a Revision: its author's containers and nothing beside them; images by digest where `digests` has one. */
export function revisionPodSpec(
  revision: PodRevision,
  digests: ReadonlyMap<string, string>,
): PodSpec {
  const {
    containerConcurrency: _containerConcurrency,
    responseStartTimeoutSeconds: _responseStart,
    idleTimeoutSeconds: _idle,
    timeoutSeconds = 0,
    containers = [],
    initContainers,
    ...pod
  } = revision.spec;
  const serving = servingContainer(revision.spec);
  return {
    ...pod,
    // A request may take this long, so a pod that stops may too.
    terminationGracePeriodSeconds: timeoutSeconds,
    containers: containers.map((container) => ({
      ...plainContainer(container, digests),
      ...probes(container, userPort(revision.spec)),
      terminationMessagePolicy: container.terminationMessagePolicy ?? 'FallbackToLogsOnError',
      ...(container === serving && {
        ports: [{ name: USER_PORT_NAME, containerPort: userPort(revision.spec), protocol: 'TCP' }],
      }),
      env: [
        ...(container.env ?? []),
        ...(container === serving
          ? [{ name: 'PORT', value: String(userPort(revision.spec)) }]
          : []),
        ...knativeEnv(revision),
      ],
    })),
    ...(initContainers && {
      initContainers: initContainers.map((container) => plainContainer(container, digests)),
    }),
  };
}

function plainContainer(
  container: RevisionContainer,
  digests: ReadonlyMap<string, string>,
): Container {
  const {
    ports: _ports,
    readinessProbe: _readiness,
    livenessProbe: _liveness,
    startupProbe: _startup,
    name = '',
    image = '',
    ...rest
  } = container;
  return { ...rest, name, image: digests.get(name) ?? image };
}

function probes(
  container: RevisionContainer,
  port: number,
): Pick<Container, 'readinessProbe' | 'livenessProbe' | 'startupProbe'> {
  const { readinessProbe, livenessProbe, startupProbe } = container;
  return {
    ...(readinessProbe && { readinessProbe: kubernetesProbe(readinessProbe, port) }),
    ...(livenessProbe && { livenessProbe: kubernetesProbe(livenessProbe, port) }),
    ...(startupProbe && { startupProbe: kubernetesProbe(startupProbe, port) }),
  };
}

/**
 * The probe as Kubernetes takes it: with a port, and with its own period where the user wants it as often as it helps. Then
 * one success is enough: Knative counts several within a moment, which periods of whole seconds would make half a minute of.
 */
function kubernetesProbe(probe: RevisionProbe, port: number): Probe {
  const { httpGet, tcpSocket, grpc, periodSeconds, ...rest } = probe;
  return {
    ...rest,
    ...(periodSeconds ? { periodSeconds } : rest.successThreshold && { successThreshold: 1 }),
    ...(httpGet && { httpGet: { ...kubernetesScheme(httpGet), port: httpGet.port || port } }),
    ...(tcpSocket && { tcpSocket: { ...tcpSocket, port: tcpSocket.port || port } }),
    ...(grpc && { grpc: { ...grpc, port: grpc.port || port } }),
  };
}

/** Who writes `http` is understood by Knative, which makes a URL of it, and not by Kubernetes. */
function kubernetesScheme<T extends { readonly scheme?: string }>(httpGet: T): T {
  return httpGet.scheme === undefined
    ? httpGet
    : { ...httpGet, scheme: httpGet.scheme.toUpperCase() };
}

function knativeEnv({ metadata }: PodRevision): EnvVar[] {
  const { name = '', labels = {} } = metadata;
  return [
    variable('K_REVISION', name),
    variable('K_CONFIGURATION', labels[servingKeys.configuration]),
    variable('K_SERVICE', labels[servingKeys.service]),
  ];
}

/** The server keeps no empty value: said each time, it would be written each time. */
function variable(name: string, value = ''): EnvVar {
  return { name, ...(value !== '' && { value }) };
}
