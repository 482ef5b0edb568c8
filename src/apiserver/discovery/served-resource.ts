import { LocalSubjectAccessReview } from '#api/authorization-v1/local-subject-access-review.ts';
import { SelfSubjectAccessReview } from '#api/authorization-v1/self-subject-access-review.ts';
import { SelfSubjectRulesReview } from '#api/authorization-v1/self-subject-rules-review.ts';
import { SubjectAccessReview } from '#api/authorization-v1/subject-access-review.ts';
import { SelfSubjectReview } from '#api/authentication-v1/self-subject-review.ts';
import { TokenRequest } from '#api/authentication-v1/token-request.ts';
import { TokenReview } from '#api/authentication-v1/token-review.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import type { Kind } from '#api/kind.ts';
import { CONNECT_KINDS } from '#apiserver/upgrade/connect-options.ts';
import { measuredKinds } from '#api/kinds.ts';

/** What objects are sent to and come from a resource. */
interface Content {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** The full name of its schema; absent where it is not an object (a log). */
  readonly definition?: string;
}

/** One resource or subresource that the server answers for: discovery and OpenAPI are both derived from these. */
export interface ServedResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly subresource?: string;
  readonly singular: string;
  readonly scope: Kind['scope'];
  readonly verbs: readonly string[];
  readonly content: Content;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** Whether a strategic merge patch means something: the schema says how its lists merge. */
  readonly isStrategic: boolean;
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const SUBRESOURCE_VERBS = ['get', 'patch', 'update'];
const SCALE: Content = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  definition: 'io.k8s.api.autoscaling.v1.Scale',
};
const BINDING: Content = {
  group: '',
  version: 'v1',
  kind: 'Binding',
  definition: 'io.k8s.api.core.v1.Binding',
};
const EVICTION: Content = {
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  definition: 'io.k8s.api.policy.v1.Eviction',
};

/** Everything served for `kinds`, with the subresources and reviews that have routes of their own. */
export function servedResources(kinds: readonly Kind[]): readonly ServedResource[] {
  const withOwnRoutes = kinds.flatMap((kind) =>
    ownSubresources
      .filter(({ of }) => of.group === kind.group && of.plural === kind.plural)
      .map(({ subresource, verbs, content }) => ({
        ...resourceOf(kind),
        subresource,
        verbs,
        content,
        singular: '',
        shortNames: [],
        categories: [],
      })),
  );
  const all = [...kinds.flatMap(resourcesOf), ...withOwnRoutes];
  return [
    ...all,
    ...reviews.map((kind) => ({ ...resourceOf(kind), verbs: ['create'] })),
    ...measuredKinds.map((kind) => ({ ...resourceOf(kind), verbs: ['get', 'list'] })),
  ];
}

/** The full name of a kind's schema: Kubernetes' own has one, ours is made as CRDs' are: `dev.knative.serving.v1.Route`. */
export function definitionName({ schema, group, version, kind }: Kind): string {
  if (schema.$ref) return schema.$ref;
  return [...group.split('.').toReversed(), version, kind].join('.');
}

const reviews: readonly Kind[] = [
  SelfSubjectReview,
  TokenReview,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
];

/** Subresources that no kind declares, because each has a route of its own. */
const ownSubresources: readonly {
  readonly of: Kind;
  readonly subresource: string;
  readonly verbs: readonly string[];
  readonly content: Content;
}[] = [
  {
    of: Pod,
    subresource: 'log',
    verbs: ['get'],
    content: { group: '', version: 'v1', kind: 'Pod' },
  },
  ...Object.entries(CONNECT_KINDS).map(([subresource, kind]) => ({
    of: Pod,
    subresource,
    verbs: ['create', 'get'],
    content: { group: '', version: 'v1', kind },
  })),
  { of: Pod, subresource: 'binding', verbs: ['create'], content: BINDING },
  { of: Pod, subresource: 'eviction', verbs: ['create'], content: EVICTION },
  {
    of: Namespace,
    subresource: 'finalize',
    verbs: ['update'],
    content: contentOf(Namespace),
  },
  {
    of: ServiceAccount,
    subresource: 'token',
    verbs: ['create'],
    content: contentOf(TokenRequest),
  },
];

function resourcesOf(kind: Kind): ServedResource[] {
  const main = resourceOf(kind);
  const subresources = kind.subresources.map((subresource) => ({
    ...main,
    subresource,
    verbs: SUBRESOURCE_VERBS,
    content: subresource === 'scale' ? SCALE : main.content,
    singular: '',
    shortNames: [],
    categories: [],
  }));
  return [main, ...subresources];
}

function resourceOf(kind: Kind): ServedResource {
  const { group, version, plural, singular, scope, shortNames, categories } = kind;
  // A namespace goes with everything in it: deleting them by the collection is not offered, as in Kubernetes.
  const isNamespace = group === '' && plural === 'namespaces';
  return {
    group,
    version,
    plural,
    singular,
    scope,
    shortNames,
    categories,
    verbs: isNamespace ? VERBS.filter((verb) => verb !== 'deletecollection') : VERBS,
    content: contentOf(kind),
    isStrategic: kind.schema.$ref !== undefined,
  };
}

function contentOf(kind: Kind): Content {
  const { group, version } = kind;
  return { group, version, kind: kind.kind, definition: definitionName(kind) };
}
