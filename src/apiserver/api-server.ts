import type { Clock } from '#base/clock.ts';
import type { HttpReply } from '#base/http-message.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Kind } from '#api/kind.ts';
import { ApiError, methodNotAllowed } from '#api/meta/api-error.ts';
import { isTrue } from '#api/meta/query-flag.ts';
import { defaultSettings, type ServingSettings } from '#api/serving-config/config-maps.ts';
import { fixedKinds, type ServedKinds } from '#api/served-kinds.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { consult } from '#apiserver/admission/consult.ts';
import { forbiddenRequest } from '#apiserver/authorization/forbidden-request.ts';
import { definitionCheck } from '#apiserver/custom-resources/definition-check.ts';
import { conditionCheck } from '#apiserver/webhooks/condition-check.ts';
import { serveCustom } from '#apiserver/custom-resources/serve-custom.ts';
import type { Converter } from '#apiserver/custom-resources/webhook-conversion.ts';
import { InFlight, type Limits } from '#apiserver/in-flight.ts';
import { kindTable, type KindTable } from '#apiserver/kind-table.ts';
import { parseFieldSelector } from '#apiserver/field-selector.ts';
import { namespaceLifecycle } from '#apiserver/admission/namespace-lifecycle.ts';
import { defaultTolerations } from '#apiserver/admission/default-tolerations.ts';
import { runtimeClass } from '#apiserver/admission/runtime-class.ts';
import { servingConfigMaps } from '#apiserver/admission/serving-config-maps.ts';
import { storageObjects } from '#apiserver/admission/storage-objects.ts';
import { podPriority } from '#apiserver/admission/pod-priority.ts';
import {
  serviceAddresses,
  type ServiceAddressOptions,
} from '#apiserver/admission/service-addresses.ts';
import { parseAccept } from '#apiserver/representation.ts';
import {
  type Deps,
  type NameGenerator,
  type ResourceRequest,
} from '#apiserver/resource-request.ts';
import type { MeteredRequest, RequestMeter } from '#apiserver/metrics/request-meter.ts';
import { parseResourcePath } from '#apiserver/resource-path.ts';
import type { Route, UserRequest } from '#apiserver/route.ts';
import { errorReply, withWarnings } from '#apiserver/status-reply.ts';
import { findSubresource, type Connection } from '#apiserver/subresources/subresource.ts';
import { connectOptions } from '#apiserver/upgrade/connect-options.ts';
import type { StreamConnection, StreamSource } from '#apiserver/upgrade/stream-source.ts';
import type { Attributes, Authorizer } from '#apiserver/user.ts';
import { create } from '#apiserver/verbs/create.ts';
import { removeCollection } from '#apiserver/verbs/delete-collection.ts';
import { remove } from '#apiserver/verbs/delete.ts';
import { get } from '#apiserver/verbs/get.ts';
import { list } from '#apiserver/verbs/list.ts';
import { patch } from '#apiserver/verbs/patch.ts';
import { update } from '#apiserver/verbs/update.ts';
import { watch } from '#apiserver/verbs/watch.ts';
import { isView, viewStore } from '#apiserver/view-store.ts';
import { StoreUnavailable, type Store } from '#store/store.ts';

export interface ApiServerOptions {
  readonly store: Store;
  /** As an array where they never change. */
  readonly kinds: readonly Kind[] | ServedKinds;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Everybody may do everything where absent. */
  readonly authorizer?: Authorizer;
  /** Fixed endpoints, asked before the kinds' verbs. */
  readonly routes?: readonly Route[];
  /** Subresources that others serve: `pods/log`. */
  readonly connections?: readonly Connection[];
  /** Subresources that take over a connection: `pods/exec`. */
  readonly streams?: readonly StreamConnection[];
  readonly generateName?: NameGenerator;
  /** Where absent, Services get no addresses. */
  readonly services?: ServiceAddressOptions;
  /** Checks of others, after the server's own. */
  readonly admission?: readonly AdmissionStep[];
  /** Where absent, kinds whose versions become each other by a webhook are served in the stored one alone. */
  readonly convert?: Converter;
  /** What Serving's ConfigMaps say now; what they say in a new cluster where absent. */
  readonly serving?: () => ServingSettings;
  readonly limits?: Partial<Limits>;
  /** Counts and times requests; nobody does where absent. */
  readonly meter?: RequestMeter;
}

/** A Kubernetes API over a store; knows nothing of sockets. Never throws: every failure is a Status. */
export interface ApiServer {
  readonly kinds: KindTable;
  handle(request: UserRequest): Promise<HttpReply>;
  /** What a request that asks for an upgrade may be connected to. Throws ApiError. */
  connect(request: UserRequest): Promise<StreamSource>;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const kinds = kindTable('current' in options.kinds ? options.kinds : fixedKinds(options.kinds));
  const { routes = [], connections = [], streams = [], authorizer, log } = options;
  const deps: Omit<Deps, 'warn'> = {
    store: options.store,
    kinds,
    clock: options.clock,
    random: options.random,
    log: options.log,
    generateName: options.generateName ?? (() => undefined),
    admission: stepsOf(options, kinds),
    convert: options.convert ?? cannotConvert,
    serving: options.serving ?? (() => defaultSettings),
    authorizeCreate: (request) =>
      authorize(authorizer, { ...attributesOf(request, '', request), verb: 'create' }),
  };
  const ofViews = new Map(
    kinds.all
      .filter(isView)
      .map((kind) => [kind as Kind, { ...deps, store: viewStore(deps.store, kind) }]),
  );
  const inFlight = new InFlight(options.clock, options.limits);

  const answer = async (request: UserRequest, metered?: MeteredRequest): Promise<HttpReply> => {
    const [path = '', search = ''] = splitTarget(request.target);
    const resource = resourceRequest(request, { path, search, kinds });
    const attributes = attributesOf(request, path, resource);
    if (metered) {
      metered.resource = resource;
      metered.verb = attributes.verb;
    }
    await authorize(authorizer, attributes);
    const route = routes.find((candidate) => candidate.matches(request.method, path));
    if (route) return route.handle(request);
    if (!resource) throw pathNotFound();
    if (streamOf(resource, streams)) throw upgradeRequired();
    const { deprecation } = resource.kind;
    const warnings: string[] = deprecation === undefined ? [] : [deprecation];
    const seen = ofViews.get(resource.kind) ?? deps;
    const own = { ...seen, warn: (text: string) => void warnings.push(text) };
    try {
      const reply = await serveCustom(resource, own, verbOf(resource, connections));
      return withWarnings(reply, warnings);
    } catch (error) {
      // Whoever is refused hears the warnings too.
      if (!(error instanceof ApiError) || warnings.length === 0) throw error;
      return withWarnings(errorReply(error), warnings);
    }
  };

  const reply = async (request: UserRequest, metered?: MeteredRequest): Promise<HttpReply> => {
    try {
      return await inFlight.run(request, async (asked) => await answer(asked, metered));
    } catch (error) {
      return failureReply(error, { request, log });
    }
  };

  return {
    kinds,
    connect: (request) => connect(request, { ...deps, streams, authorizer }),
    async handle(request) {
      const { meter } = options;
      const metered = meter?.begin();
      const answered = await reply(request, metered);
      if (metered) meter?.end(metered, answered);
      return answered;
    },
  };
}

function failureReply(
  error: unknown,
  { request: { method, target }, log }: { request: UserRequest; log: Log },
): HttpReply {
  if (error instanceof ApiError) return errorReply(error);
  if (error instanceof StoreUnavailable) {
    log.error('the store cannot write', { error });
    return errorReply(new ApiError('ServiceUnavailable', error.message, { retryAfterSeconds: 1 }));
  }
  log.error('a request failed', { method, target: splitTarget(target)[0], error });
  return errorReply(internalError());
}

function internalError(): ApiError {
  const message = 'Internal error occurred: the server has logged what happened';
  return new ApiError('InternalError', message);
}

interface Connecting extends Pick<Deps, 'kinds' | 'admission'> {
  readonly streams: readonly StreamConnection[];
  readonly authorizer: Authorizer | undefined;
}

async function connect(
  request: UserRequest,
  { kinds, streams, authorizer, admission }: Connecting,
): Promise<StreamSource> {
  const [path = '', search = ''] = splitTarget(request.target);
  const resource = resourceRequest(request, { path, search, kinds });
  const attributes = attributesOf(request, path, resource);
  await authorize(authorizer, attributes);
  const stream = resource && streamOf(resource, streams);
  if (!resource || !stream) throw new ApiError('BadRequest', `${path} cannot be upgraded`);
  // WebSockets begin with GET; being allowed to read is not being allowed to run programs.
  await authorize(authorizer, { ...attributes, verb: 'create' });
  const sent = connectOptions(stream.subresource, resource.query);
  // A reply that changes protocols has no place for warnings, nor a stream for what a webhook would rather run.
  await consult(sent, { ...resource, method: 'CONNECT' }, { admission, warn: () => undefined });
  return await stream.open(resource);
}

/** In the order they look. */
function stepsOf(options: ApiServerOptions, kinds: KindTable): readonly AdmissionStep[] {
  return [
    namespaceLifecycle(options.store, kinds),
    definitionCheck,
    conditionCheck,
    runtimeClass,
    podPriority(options.store),
    defaultTolerations,
    storageObjects(options.store),
    servingConfigMaps,
    ...(options.services
      ? [serviceAddresses(options.store, kinds, { ...options.services, random: options.random })]
      : []),
    ...(options.admission ?? []),
  ];
}

function splitTarget(target: string): readonly string[] {
  const at = target.indexOf('?');
  return at < 0 ? [target] : [target.slice(0, at), target.slice(at + 1)];
}

function resourceRequest(
  request: UserRequest,
  { path, search, kinds }: { path: string; search: string; kinds: KindTable },
): ResourceRequest | undefined {
  const parsed = parseResourcePath(path);
  const kind = parsed && kinds.byPlural(parsed.group, parsed.version, parsed.plural);
  if (!kind) return undefined;
  const isNamespaced = parsed.namespace !== undefined;
  // A namespaced kind is also listed over all namespaces; an object of one is only found in its own.
  if (isNamespaced && kind.scope === 'Cluster') return undefined;
  if (!isNamespaced && kind.scope === 'Namespaced' && parsed.name !== undefined) return undefined;
  if (parsed.rest !== undefined) return undefined;
  const { name = '' } = parsed;
  const query = new URLSearchParams(search);
  return {
    ...request,
    kind,
    namespace: parsed.namespace,
    name,
    subresource: parsed.subresource,
    query,
    // One object is watched by its older path alone; else by a selector of its name.
    isWatch: parsed.isWatch ?? (isRead(request) && name === '' && isTrue(query, 'watch')),
    representation: 'object',
  };
}

function isRead({ method }: UserRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

async function authorize(
  authorizer: Authorizer | undefined,
  attributes: Attributes,
): Promise<void> {
  if (!authorizer) return;
  const { allowed, reason } = await authorizer(attributes);
  if (allowed) return;
  throw forbiddenRequest(attributes, reason);
}

function attributesOf(
  request: UserRequest,
  path: string,
  resource: ResourceRequest | undefined,
): Attributes {
  const parsed = resource ? undefined : parseResourcePath(path);
  const { user } = request;
  if (!resource && !parsed) return { user, verb: request.method.toLowerCase(), path };
  const { group, version, plural } = resource?.kind ??
    parsed ?? { group: '', version: '', plural: '' };
  const { subresource, namespace: within, name = '' } = resource ?? parsed ?? {};
  // A Namespace counts as inside itself, so that a role there may let one read it.
  const isNamespace = group === '' && plural === 'namespaces' && name !== '';
  const namespace = isNamespace ? name : within;
  const fieldSelector = resource && name === '' ? selectorOf(resource) : '';
  // A list or watch of one object by field selector is allowed to whoever may list or watch that one.
  const selected =
    resource && fieldSelector ? parseFieldSelector(resource.kind, fieldSelector).name : name;
  return {
    user,
    verb: verbName(request, resource, name),
    resource: {
      group,
      version,
      plural,
      ...(subresource !== undefined && { subresource }),
      ...(namespace !== undefined && { namespace }),
      ...(selected && { name: selected }),
      ...(fieldSelector && { fieldSelector }),
    },
  };
}

function selectorOf({ query, method }: ResourceRequest): string {
  return method === 'GET' ? (query.get('fieldSelector') ?? '') : '';
}

function verbName(
  request: UserRequest,
  resource: ResourceRequest | undefined,
  name: string,
): string {
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      if (resource?.isWatch) return 'watch';
      return name === '' ? 'list' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      return request.method.toLowerCase();
  }
}

type ResourceHandler = (request: ResourceRequest, deps: Deps) => Promise<HttpReply>;

function verbOf(request: ResourceRequest, connections: readonly Connection[]): ResourceHandler {
  if (request.subresource !== undefined) return findSubresource(request, connections);
  const representation = parseAccept(request.headers['accept']);
  const run =
    (verb: ResourceHandler): ResourceHandler =>
    (asked, deps) =>
      verb({ ...asked, representation }, deps);
  const isCollection = request.name === '';
  if (request.isWatch && request.method !== 'GET') throw methodNotAllowed();
  switch (request.method) {
    case 'GET':
      if (request.isWatch) return run(watch);
      return run(isCollection ? list : get);
    case 'POST':
      if (isCollection) return run(create);
      break;
    case 'PUT':
      if (!isCollection) return run(update);
      break;
    case 'PATCH':
      if (!isCollection) return run(patch);
      break;
    case 'DELETE':
      return run(isCollection ? removeCollection : remove);
    default:
  }
  throw methodNotAllowed();
}

function streamOf(
  { kind, subresource }: ResourceRequest,
  streams: readonly StreamConnection[],
): StreamConnection | undefined {
  return streams.find(
    (each) =>
      each.group === kind.group && each.plural === kind.plural && each.subresource === subresource,
  );
}

function cannotConvert(): Promise<never> {
  return Promise.reject(new ApiError('InternalError', 'this server calls no conversion webhooks'));
}

function upgradeRequired(): ApiError {
  return new ApiError('BadRequest', 'Upgrade request required: to a WebSocket or to SPDY/3.1');
}

function pathNotFound(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource');
}
