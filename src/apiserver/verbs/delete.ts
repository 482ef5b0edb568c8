import { copyJson } from '#base/copy-json.ts';
import type { HttpReply } from '#base/http-message.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import { conflict, notFound, STALE_OBJECT, type ApiError } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { checkWrite } from '#apiserver/admission/admit.ts';
import { FOREGROUND, isFinished, ORPHAN } from '#apiserver/deletion.ts';
import { parseDeleteOptions, type DeleteOptions } from '#apiserver/delete-options.ts';
import { objectReply } from '#apiserver/object-reply.ts';
import type { Deps, ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply, nonEmpty } from '#apiserver/status-reply.ts';
import { keyOf, objectAt, objectOf, storedText } from '#apiserver/stored-object.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { StaleRevision, type Entry } from '#store/store.ts';

const TRIES = 5;

/** What is gone is told by a Status; of these kinds Kubernetes tells what they were. */
const TOLD_WHOLE: ReadonlySet<string> = new Set([
  'persistentvolumeclaims',
  'persistentvolumes',
  'pods',
  'podtemplates',
  'resourcequotas',
  'serviceaccounts',
  'services',
  'storageclasses.storage.k8s.io',
]);
const ORPHANS_PODS =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning';

/** DELETE …/{plural}/{name}: removes the object, or marks it where finalizers or a grace period have to be waited for. */
export async function remove(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const options = await parseDeleteOptions(request);
  const deleted = await deleteObject(request, deps, options);
  const { kind, name } = request;
  const { group, plural } = kind;
  if (!deleted.isGone || TOLD_WHOLE.has(resourceOf(kind))) {
    return objectReply(request, deleted.object, { clock: deps.clock });
  }
  return jsonReply({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: nonEmpty({ name, group, kind: plural, uid: deleted.object.metadata.uid ?? '' }),
  });
}

export interface Deleted {
  readonly object: KubeObject;
  readonly isGone: boolean;
}

/** Throws NotFound, and Conflict where a precondition does not hold. */
export async function deleteObject(
  target: Pick<ResourceRequest, 'kind' | 'namespace' | 'name' | 'user'>,
  deps: Deps,
  options: DeleteOptions,
): Promise<Deleted> {
  const { kind, namespace, name } = target;
  if (options.propagationPolicy === undefined && orphansByDefault(kind)) deps.warn(ORPHANS_PODS);
  const key = keyOf(kind, namespace, name);
  for (let tries = TRIES; ; tries -= 1) {
    const entry = await deps.store.get(key);
    if (!entry) throw notFound(kind, name);
    refuseUnmet(kind, objectOf(entry), options);
    await checkDeletion(target, objectOf(entry), { deps, options });
    try {
      return await deleteEntry(entry, { kind, deps, options });
    } catch (error) {
      if (!(error instanceof StaleRevision)) throw error;
      if (tries <= 1) throw conflict(kind, name, STALE_OBJECT);
    }
  }
}

async function checkDeletion(
  { kind, user }: Pick<ResourceRequest, 'kind' | 'user'>,
  previous: KubeObject,
  { deps, options }: { deps: Deps; options: DeleteOptions },
): Promise<void> {
  const { isDryRun, ...said } = options;
  const { warn, admission } = deps;
  const about = { kind, user, previous, isDryRun, options: said, warn, subresource: undefined };
  await checkWrite(undefined, { ...about, operation: 'DELETE' }, admission);
}

async function deleteEntry(
  entry: Entry,
  { kind, deps, options }: { kind: Kind; deps: Deps; options: DeleteOptions },
): Promise<Deleted> {
  const current = objectOf(entry);
  const marked = markDeleted(kind, current, { deps, options });
  if (isFinished(marked)) {
    if (options.isDryRun) return { object: current, isGone: true };
    const at = await deps.store.delete(entry.key, entry.modified);
    return { object: objectAt(entry, at), isGone: true };
  }
  const text = storedText(marked);
  if (options.isDryRun || text === entry.value) return { object: marked, isGone: false };
  const written = await deps.store.update(entry.key, text, entry.modified);
  return { object: objectOf(written), isGone: false };
}

/** The object with what a delete adds: who must finish first, and by when. Asking again may only shorten the time. */
function markDeleted(
  kind: Kind,
  current: KubeObject,
  { deps, options }: { deps: Deps; options: DeleteOptions },
): KubeObject {
  const object = copyJson(current);
  const { metadata } = object;
  const finalizers = finalizersFor(metadata.finalizers ?? [], { kind, options });
  if (kind.deletionFinalizer !== undefined && metadata.deletionTimestamp === undefined) {
    if (!finalizers.includes(kind.deletionFinalizer)) finalizers.push(kind.deletionFinalizer);
  }
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
  const wanted = graceSeconds(kind, object, options.gracePeriodSeconds);
  const before = metadata.deletionGracePeriodSeconds;
  const isMarked = metadata.deletionTimestamp !== undefined;
  if (isMarked && wanted >= (before ?? 0)) return object;
  metadata.deletionTimestamp = timestamp(deps.clock.now(), wanted);
  if (!isMarked && metadata.generation !== undefined) metadata.generation += 1;
  if (kind.group === '' && kind.plural === 'namespaces') {
    Object.assign(object, { status: { phase: 'Terminating' } });
  } else {
    metadata.deletionGracePeriodSeconds = wanted;
  }
  return object;
}

function finalizersFor(
  current: readonly string[],
  { kind, options }: { kind: Kind; options: DeleteOptions },
): string[] {
  const others = current.filter((name) => name !== FOREGROUND && name !== ORPHAN);
  const { propagationPolicy } = options;
  if (propagationPolicy === undefined) {
    return others.length === current.length && orphansByDefault(kind)
      ? [...current, ORPHAN]
      : [...current];
  }
  if (propagationPolicy === 'Background') return others;
  return [...others, propagationPolicy === 'Foreground' ? FOREGROUND : ORPHAN];
}

/** Jobs are older than the collecting of garbage, and what they have done is read from their pods. */
function orphansByDefault({ group, plural }: Kind): boolean {
  return group === 'batch' && plural === 'jobs';
}

type PodLike = KubeObject & {
  spec?: { nodeName?: unknown; terminationGracePeriodSeconds?: unknown };
  status?: { phase?: unknown };
};

/** Only pods have somebody, the node's agent, who needs time to stop them. */
function graceSeconds(kind: Kind, object: PodLike, asked: number | undefined): number {
  if (kind.group !== '' || kind.plural !== 'pods') return 0;
  const { phase } = object.status ?? {};
  if (!object.spec?.nodeName || phase === 'Succeeded' || phase === 'Failed') return 0;
  const own = object.spec.terminationGracePeriodSeconds;
  return asked ?? (typeof own === 'number' ? own : 30);
}

/** Throws Conflict where `object` is not the one that a deletion means. */
export function refuseUnmet(
  kind: Kind,
  object: KubeObject,
  { preconditions }: DeleteOptions,
): void {
  const { name = '', uid, resourceVersion } = object.metadata;
  if (preconditions?.uid !== undefined && preconditions.uid !== uid) {
    const why = `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`;
    throw unmet(kind, name, why);
  }
  if (
    preconditions?.resourceVersion !== undefined &&
    preconditions.resourceVersion !== resourceVersion
  ) {
    const why = `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`;
    throw unmet(kind, name, why);
  }
}

/** Here Kubernetes names the kind where it names the resource elsewhere. */
function unmet({ group, kind }: Kind, name: string, why: string): ApiError {
  return conflict({ group, kind, plural: kind }, name, why);
}
