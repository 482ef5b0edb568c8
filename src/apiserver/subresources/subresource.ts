import type { HttpReply } from '#base/http-message.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { parseAccept } from '#apiserver/representation.ts';
import type { Deps, ResourceRequest, Verb } from '#apiserver/resource-request.ts';
import { bindPod } from '#apiserver/subresources/binding.ts';
import { evictPod } from '#apiserver/subresources/eviction.ts';
import { finalizeNamespace } from '#apiserver/subresources/finalize.ts';
import { getScale, patchScale, updateScale } from '#apiserver/subresources/scale.ts';
import { get } from '#apiserver/verbs/get.ts';
import { patch } from '#apiserver/verbs/patch.ts';
import { update } from '#apiserver/verbs/update.ts';

/** A subresource that something else than the store answers for. */
export interface Connection {
  readonly group: string;
  readonly plural: string;
  readonly subresource: string;
  readonly methods: readonly string[];
  /** Throws ApiError; the object itself may not exist. */
  handle(request: ResourceRequest, deps: Deps): Promise<HttpReply>;
}

type Verbs = Readonly<Record<string, Verb>>;

/** Of a part of the object that has a path of its own. */
const partVerbs: Verbs = { GET: get, PUT: update, PATCH: patch };
const scaleVerbs: Verbs = { GET: getScale, PUT: updateScale, PATCH: patchScale };
const coreVerbs: Readonly<Record<string, Verbs>> = {
  'pods/binding': { POST: bindPod },
  'pods/eviction': { POST: evictPod },
  'namespaces/finalize': { PUT: finalizeNamespace },
};

/** Throws NotFound where the kind has no such subresource, MethodNotAllowed where it is not for this method. */
export function findSubresource(
  request: ResourceRequest,
  connections: readonly Connection[],
): Verb {
  const { kind, subresource = '', method } = request;
  const connection = connections.find(
    (candidate) =>
      candidate.group === kind.group &&
      candidate.plural === kind.plural &&
      candidate.subresource === subresource,
  );
  if (connection) {
    if (!connection.methods.includes(method)) throw notAllowed();
    return (asked, deps) => connection.handle(asked, deps);
  }
  const verbs = verbsOf(request, subresource);
  if (!verbs) throw new ApiError('NotFound', 'the server could not find the requested resource');
  const verb = Object.hasOwn(verbs, method) ? verbs[method] : undefined;
  if (!verb) throw notAllowed();
  const representation = parseAccept(request.headers['accept']);
  return (asked, deps) => verb({ ...asked, representation }, deps);
}

const EPHEMERAL = 'ephemeralcontainers';

function verbsOf({ kind }: ResourceRequest, subresource: string): Verbs | undefined {
  if (subresource === 'status' && kind.subresources.includes('status')) return partVerbs;
  if (subresource === EPHEMERAL && kind.subresources.includes(EPHEMERAL)) return partVerbs;
  if (subresource === 'scale' && kind.subresources.includes('scale')) return scaleVerbs;
  const name = `${kind.plural}/${subresource}`;
  return kind.group === '' && Object.hasOwn(coreVerbs, name) ? coreVerbs[name] : undefined;
}

function notAllowed(): ApiError {
  return new ApiError(
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  );
}
