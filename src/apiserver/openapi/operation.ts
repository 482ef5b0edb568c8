import type { ServedResource } from '#apiserver/discovery/served-resource.ts';

type Method = 'get' | 'put' | 'post' | 'delete' | 'patch';

interface QueryParameter {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean';
}

/** One request a client may send; OpenAPI v2 and v3 are two spellings of these. */
export interface Operation {
  readonly method: Method;
  readonly id: string;
  /** Kubernetes' own word for what it does, which clients look for: `x-kubernetes-action`. */
  readonly action: 'get' | 'list' | 'post' | 'put' | 'patch' | 'delete' | 'deletecollection';
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly query: readonly QueryParameter[];
  /** The full name of the body's schema, and the media types it may come in. */
  readonly body?: { readonly definition: string; readonly types: readonly string[] };
  /** The full name of the reply's schema; absent where it is text. */
  readonly reply?: string;
}

export interface PathItem {
  readonly path: string;
  /** Names in braces in the path. */
  readonly parameters: readonly string[];
  readonly operations: readonly Operation[];
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const string = (name: string): QueryParameter => ({ name, type: 'string' });
const integer = (name: string): QueryParameter => ({ name, type: 'integer' });
const boolean = (name: string): QueryParameter => ({ name, type: 'boolean' });

const WRITE = [string('dryRun'), string('fieldManager'), string('fieldValidation')];
const DELETE = [
  string('dryRun'),
  integer('gracePeriodSeconds'),
  boolean('orphanDependents'),
  string('propagationPolicy'),
];
const SELECT = [string('continue'), string('fieldSelector'), string('labelSelector')];
const LIST = [
  ...SELECT,
  boolean('allowWatchBookmarks'),
  integer('limit'),
  string('resourceVersion'),
  string('resourceVersionMatch'),
  boolean('sendInitialEvents'),
  integer('timeoutSeconds'),
  boolean('watch'),
];
const ANY = ['*/*'];
const PATCHES = ['application/json-patch+json', 'application/merge-patch+json'];
const APPLY = 'application/apply-patch+yaml';
const STRATEGIC = 'application/strategic-merge-patch+json';

/** The paths of one resource, with what may be done at each. */
export function pathItemsOf(resource: ServedResource): readonly PathItem[] {
  const { group, version, plural, subresource, scope } = resource;
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const isNamespaced = scope === 'Namespaced';
  const collection = isNamespaced
    ? `${root}/namespaces/{namespace}/${plural}`
    : `${root}/${plural}`;
  const within = isNamespaced ? ['namespace'] : [];
  const one = `${collection}/{name}${subresource === undefined ? '' : `/${subresource}`}`;
  const items: PathItem[] = [
    { path: one, parameters: ['name', ...within], operations: operationsOnOne(resource) },
  ];
  if (subresource === undefined) {
    const operations = operationsOnMany(resource);
    items.push({ path: collection, parameters: within, operations });
    if (isNamespaced && resource.verbs.includes('list')) {
      const everywhere = listOperation(resource, 'ForAllNamespaces');
      items.push({ path: `${root}/${plural}`, parameters: [], operations: [everywhere] });
    }
  }
  return items.filter(({ operations }) => operations.length > 0);
}

function operationsOnMany(resource: ServedResource): Operation[] {
  const { verbs } = resource;
  const found: Operation[] = [];
  if (verbs.includes('list')) found.push(listOperation(resource, ''));
  if (verbs.includes('create')) found.push(createOperation(resource));
  if (verbs.includes('deletecollection')) {
    found.push({
      ...operation(resource, 'delete', 'deletecollection'),
      id: operationId('deleteCollection', resource),
      query: [...SELECT, ...DELETE],
      body: { definition: `${META}.DeleteOptions`, types: ANY },
      reply: `${META}.Status`,
    });
  }
  return found;
}

function operationsOnOne(resource: ServedResource): Operation[] {
  const { verbs, subresource, isStrategic, content } = resource;
  const body = content.definition === undefined ? {} : bodyOf(content.definition);
  const found: Operation[] = [];
  if (verbs.includes('get')) found.push(operation(resource, 'get', 'get'));
  if (verbs.includes('create') && subresource !== undefined) found.push(createOperation(resource));
  if (verbs.includes('update')) {
    found.push({ ...operation(resource, 'put', 'put'), query: WRITE, ...body });
  }
  if (verbs.includes('patch')) {
    const types = [
      ...PATCHES,
      ...(isStrategic ? [STRATEGIC] : []),
      ...(resource.subresource === 'scale' ? [] : [APPLY]),
    ];
    found.push({
      ...operation(resource, 'patch', 'patch'),
      query: [...WRITE, boolean('force')],
      body: { definition: `${META}.Patch`, types },
    });
  }
  if (verbs.includes('delete')) {
    found.push({
      ...operation(resource, 'delete', 'delete'),
      query: DELETE,
      body: { definition: `${META}.DeleteOptions`, types: ANY },
      reply: `${META}.Status`,
    });
  }
  return found;
}

function createOperation(resource: ServedResource): Operation {
  const { definition } = resource.content;
  const body = definition === undefined ? {} : bodyOf(definition);
  return { ...operation(resource, 'post', 'post'), query: WRITE, ...body };
}

function listOperation(resource: ServedResource, suffix: '' | 'ForAllNamespaces'): Operation {
  const { definition } = resource.content;
  return {
    ...operation(resource, 'get', 'list'),
    id: operationId('list', resource, suffix),
    query: LIST,
    ...(definition !== undefined && { reply: `${definition}List` }),
  };
}

function bodyOf(definition: string): Pick<Operation, 'body'> {
  return { body: { definition, types: ANY } };
}

const WORDS = { get: 'read', post: 'create', put: 'replace', patch: 'patch', delete: 'delete' };

function operation(
  resource: ServedResource,
  method: Method,
  action: Operation['action'],
): Operation {
  const { group, version, kind, definition } = resource.content;
  return {
    method,
    id: operationId(WORDS[method], resource),
    action,
    kind: { group, version, kind },
    query: [],
    ...(definition !== undefined && { reply: definition }),
  };
}

/** `readCoreV1NamespacedPodLog`: unique among all operations. */
function operationId(verb: string, resource: ServedResource, suffix = ''): string {
  const { group, version, plural, singular, scope, subresource } = resource;
  const parts = group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split('.');
  const isWithin = scope === 'Namespaced' && suffix === '';
  const name = singular === '' ? plural.replace(/s$/, '') : resource.content.kind;
  return [
    verb,
    ...[...parts, version].map(capital),
    isWithin ? 'Namespaced' : '',
    capital(name),
    capital(subresource ?? ''),
    suffix,
  ].join('');
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
