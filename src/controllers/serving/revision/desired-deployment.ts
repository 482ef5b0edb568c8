import { Deployment } from '#api/apps-v1/deployment.ts';
import type { Container, EnvVar, Lifecycle, Probe } from '#api/generated/core-v1.ts';
import { apiVersionOf } from '#api/kind.ts';
import { childName } from '#api/meta/child-name.ts';
import { parseGoDuration } from '#api/meta/go-duration.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import {
  servingContainer,
  USER_PORT_NAME,
  userPort,
  type RevisionContainer,
  type RevisionProbe,
} from '#api/serving-v1/revision-template.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import { childLabels, workloadAnnotations } from '#controllers/serving/revision/child-metadata.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/** How many created, not started pods the agent keeps for a ReplicaSet while its replicas are 0; 1 unless the Revision says. */
const PREPARED_SANDBOXES = 'knode.dev/prepared-sandboxes';

export interface DeploymentInput {
  readonly revision: Revision;
  /** Image by digest, by container name; a container without one keeps the image it names. */
  readonly digests: ReadonlyMap<string, string>;
  /** Where the Revision has no annotation for it. */
  readonly progressDeadlineSeconds: number;
  readonly gateway: Pick<ServingConfig, 'drain' | 'privateGateway'>;
  /** Only for one that is made now: afterwards the autoscaler alone says how many. */
  readonly replicas?: number;
}

export function deploymentName(revision: string): string {
  return childName(revision, '-deployment');
}

/** The pods of a Revision: the user's containers and nothing beside them. */
export function desiredDeployment({ revision, ...input }: DeploymentInput): Deployment {
  const { name, namespace } = placeOf(revision.metadata);
  const annotations = workloadAnnotations(revision);
  const labels = childLabels(revision);
  // A Revision that no Route leads to is not called, so nothing is kept ready for it.
  const isReserve = revision.metadata.labels?.[servingKeys.routingState] === 'reserve';
  const prepared = isReserve ? '0' : (annotations[PREPARED_SANDBOXES] ?? '1');
  return {
    apiVersion: apiVersionOf(Deployment),
    kind: Deployment.kind,
    metadata: {
      name: deploymentName(name),
      namespace,
      labels,
      annotations: { ...annotations, [PREPARED_SANDBOXES]: prepared },
      ownerReferences: [controllerReference(revision)],
    },
    spec: {
      ...(input.replicas !== undefined && { replicas: input.replicas }),
      progressDeadlineSeconds: progressDeadlineSeconds(revision, input.progressDeadlineSeconds),
      revisionHistoryLimit: 0,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } },
      selector: { matchLabels: { [servingKeys.revisionUid]: revision.metadata.uid ?? '' } },
      template: {
        metadata: {
          labels,
          annotations: {
            ...annotations,
            'kubectl.kubernetes.io/default-container': servingContainer(revision.spec)?.name ?? '',
          },
        },
        spec: podSpec(revision, input),
      },
    },
  };
}

function progressDeadlineSeconds({ metadata }: Revision, otherwise: number): number {
  const text = metadata.annotations?.[servingKeys.progressDeadline] ?? '';
  const durationMs = parseGoDuration(text);
  return durationMs === undefined ? otherwise : durationMs / 1_000;
}

type PodSpec = NonNullable<NonNullable<Deployment['spec']>['template']['spec']>;

function podSpec(
  revision: Revision,
  { digests, gateway }: Pick<DeploymentInput, 'digests' | 'gateway'>,
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
  const lifecycle = drainHook(revision, gateway);
  return {
    ...pod,
    // A request may take this long, so a pod that stops may too.
    terminationGracePeriodSeconds: timeoutSeconds,
    containers: containers.map((container) => ({
      ...plainContainer(container, digests),
      ...probes(container, userPort(revision.spec)),
      ...(lifecycle && { lifecycle }),
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

/**
 * The kubelet tells no container to end before this is answered. The pod's own name cannot be said in a template: the
 * gateway looks itself which pods of the revision are ending.
 */
function drainHook(
  { metadata }: Revision,
  { drain, privateGateway }: DeploymentInput['gateway'],
): Lifecycle | undefined {
  if (!drain) return undefined;
  const { name, namespace } = placeOf(metadata);
  return {
    preStop: {
      httpGet: {
        host: drain.address,
        port: drain.port,
        path: `/drain/${namespace}/${name}`,
        httpHeaders: [{ name: 'Host', value: privateGateway }],
      },
    },
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

/** The probe as Kubernetes takes it: with a port, and with its own period where the user wants it as often as it helps. */
function kubernetesProbe(probe: RevisionProbe, port: number): Probe {
  const { httpGet, tcpSocket, grpc, periodSeconds, ...rest } = probe;
  return {
    ...rest,
    ...(periodSeconds && { periodSeconds }),
    ...(httpGet && { httpGet: { ...httpGet, port: httpGet.port || port } }),
    ...(tcpSocket && { tcpSocket: { ...tcpSocket, port: tcpSocket.port || port } }),
    ...(grpc && { grpc: { ...grpc, port: grpc.port || port } }),
  };
}

function knativeEnv({ metadata }: Revision): EnvVar[] {
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
