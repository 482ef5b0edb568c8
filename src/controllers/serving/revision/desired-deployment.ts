import { Deployment } from '#api/apps-v1/deployment.ts';
import type { Lifecycle, PodSpec } from '#api/generated/core-v1.ts';
import { apiVersionOf } from '#api/kind.ts';
import { childName } from '#api/meta/child-name.ts';
import { parseGoDuration } from '#api/meta/go-duration.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import type { DeploymentConfig } from '#api/serving-config/config-deployment.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { revisionPodSpec } from '#api/serving-v1/revision-pod.ts';
import { servingContainer } from '#api/serving-v1/revision-template.ts';
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
  readonly settings: DeploymentConfig;
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
      progressDeadlineSeconds: progressDeadlineSeconds(revision, input.settings),
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

function progressDeadlineSeconds(
  { metadata }: Revision,
  { progressDeadlineMs }: DeploymentConfig,
): number {
  const text = metadata.annotations?.[servingKeys.progressDeadline] ?? '';
  const durationMs = parseGoDuration(text);
  return (durationMs ?? progressDeadlineMs) / 1_000;
}

function podSpec(
  revision: Revision,
  { digests, gateway, settings }: Omit<DeploymentInput, 'revision'>,
): PodSpec {
  const spec = revisionPodSpec(revision, digests);
  const lifecycle = drainHook(revision, gateway);
  return {
    ...clusterChoices(revision, settings),
    ...spec,
    ...(lifecycle && {
      containers: spec.containers.map((container) => ({ ...container, lifecycle })),
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

/** What the cluster chooses for pods whose author says nothing of it. */
function clusterChoices(
  { metadata }: Revision,
  { defaultAffinityType, runtimeClasses }: DeploymentConfig,
): Pick<PodSpec, 'affinity' | 'runtimeClassName'> {
  const { name = '', labels = {} } = metadata;
  const runtimeClass = runtimeClasses.find(({ selector }) =>
    [...selector].every(([key, value]) => labels[key] === value),
  );
  const labelSelector = { matchLabels: { [servingKeys.revision]: name } };
  const podAffinityTerm = { topologyKey: 'kubernetes.io/hostname', labelSelector };
  return {
    ...(runtimeClass && { runtimeClassName: runtimeClass.name }),
    ...(defaultAffinityType !== 'none' && {
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm }],
        },
      },
    }),
  };
}
