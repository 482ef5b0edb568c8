import { isDeepStrictEqual } from 'node:util';
import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { PodSpec } from '#api/generated/core-v1.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { freezeWhenReady, isKeptFrozen } from '#agent/prepared/freeze-when-ready.ts';
import { ConfigReader } from '#agent/pods/config-reader.ts';
import { pullImage } from '#agent/pods/image-pull.ts';
import { PodSandbox } from '#agent/pods/pod-sandbox.ts';

/** A pod that is made but for its start: its object does not exist yet, its name, uid and address are reserved. */
export interface PreparedSandbox {
  readonly pod: Pod;
  readonly sandbox: PodSandbox;
  /** `ConfigMap/name`, `Secret/name`, `ServiceAccount/name`, SERVICES: what its environment and files were made from. */
  readonly dependencies: ReadonlySet<string>;
}

/** A dependency on all Services of the namespace. */
export const SERVICES = 'Services';

/** The volume that the ServiceAccount admission adds to a pod (admission/service-account-volume.ts). */
const TOKEN_VOLUME = /"(kube-api-access)-[a-z0-9]{5}"/g;

/**
 * Makes one, as the ReplicaSet controller and the API server's admission would make its pod. Rejects with the signal's
 * reason, with what admission says, or with what is missing; leaves nothing then.
 */
export async function prepareSandbox(
  parts: AgentParts,
  replicaSet: ReplicaSet,
  signal: AbortSignal,
): Promise<PreparedSandbox> {
  const pod = await admittedPod(parts, replicaSet);
  // A webhook may have added what the template has not.
  if (!canBePrepared(pod.spec))
    throw new Error(
      'admission made a pod that cannot be prepared: it has init containers or claims',
    );
  signal.throwIfAborted();
  const prepared = { replicaSet: replicaSet.metadata.uid ?? '', pod };
  const sandbox = await PodSandbox.create(parts, pod, prepared);
  const reader = new ConfigReader(parts.client, pod.metadata.namespace ?? '');
  try {
    await sandbox.writeVolumes(pod, reader);
    for (const container of pod.spec?.containers ?? []) {
      const image = await pullImage(container, { parts, pod, waiting: () => undefined, signal });
      await sandbox.createContainer(pod, container, { image, reader });
    }
    if (isKeptFrozen(replicaSet)) await freezeWhenReady(parts, { pod, sandbox }, signal);
    signal.throwIfAborted();
  } catch (error) {
    await sandbox.remove();
    throw error;
  }
  const account = `ServiceAccount/${pod.spec?.serviceAccountName ?? 'default'}`;
  const services = pod.spec?.enableServiceLinks === false ? [] : [SERVICES];
  return { pod, sandbox, dependencies: new Set([...reader.names, account, ...services]) };
}

/**
 * Init containers have to run before the others are made, so a pod that has some is not prepared; nor is one without an
 * address of its own, which nobody could be sent to before it listens; nor one with claims, which only a pod that exists keeps
 * from being given to somebody else.
 */
export function canBePrepared(spec: Partial<PodSpec> = {}): boolean {
  const { initContainers = [], hostNetwork = false, volumes = [] } = spec;
  const hasClaims = volumes.some((volume) => volume.persistentVolumeClaim ?? volume.ephemeral);
  return initContainers.length === 0 && !hostNetwork && !hasClaims;
}

/** Whether the object that came is what was prepared; admission may have changed since. */
export function isPreparedAs(prepared: Pick<PreparedSandbox, 'pod'>, pod: Pod): boolean {
  return isDeepStrictEqual(shapeOf(prepared.pod), shapeOf(pod));
}

/** What admission names by chance is the same under any name. */
function shapeOf({ metadata: { namespace }, spec }: Pod): unknown {
  return JSON.parse(JSON.stringify({ namespace, spec }).replaceAll(TOKEN_VOLUME, '"$1"'));
}

/** Whether admission would let its pod be made now, and make it the same; false where it cannot be asked. */
export async function isStillAdmitted(
  parts: AgentParts,
  replicaSet: ReplicaSet,
  prepared: Pick<PreparedSandbox, 'pod'>,
): Promise<boolean> {
  try {
    return isPreparedAs(prepared, await admittedPod(parts, replicaSet));
  } catch {
    return false; // Whoever makes the next one is told why.
  }
}

async function admittedPod(parts: AgentParts, replicaSet: ReplicaSet): Promise<Pod> {
  const { template } = replicaSet.spec ?? {};
  const { namespace = '', name = '' } = replicaSet.metadata;
  const { labels, annotations } = template?.metadata ?? {};
  const pod = await parts.client.create(
    Pod,
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${name}-${parts.random.suffix(5)}`,
        namespace,
        ...(labels && { labels }),
        ...(annotations && { annotations }),
        ownerReferences: [controllerReference(replicaSet)],
      },
      spec: { containers: [], ...template?.spec },
    },
    { dryRun: true },
  );
  const spec = { containers: [], ...pod.spec, nodeName: parts.nodeName };
  return { ...pod, metadata: { ...pod.metadata, uid: parts.random.uuid() }, spec };
}
