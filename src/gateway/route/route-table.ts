import type { Ingress, IngressPath, IngressSplit } from '#api/networking-v1alpha1/ingress.ts';
import { INGRESS_CLASS, networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { FieldSection } from '../http1/field-section.ts';
import type { SecretRef } from '../tls/serving-certificates.ts';
import { type AppendedFields, appendedFields, InvalidFields } from './appended-fields.ts';
import { secretFor, tlsOf } from './host-secret.ts';

/** One destination of a path with its share of the requests. */
export interface RouteSplit {
  readonly namespace: string;
  readonly service: string;
  readonly port: number | string;
  /** Below this of 100 drawn it is this one's turn, if it was none's before. */
  readonly below: number;
  readonly append: AppendedFields;
}

export interface RoutePath {
  readonly ingress: Ingress;
  readonly prefix: string;
  readonly headers: readonly (readonly [name: string, exact: string])[];
  readonly rewriteHost: string | undefined;
  /** Who comes over plain HTTP is sent to HTTPS instead. */
  readonly isOnlySecure: boolean;
  readonly splits: readonly RouteSplit[];
}

export interface RouteRequest {
  /** Lower case, without port. */
  readonly host: string;
  /** Without query. */
  readonly path: string;
  readonly fields: Pick<FieldSection, 'get'>;
  /** From inside the cluster, where hosts of both visibilities are served. */
  readonly isInternal: boolean;
}

/** Why an Ingress is not served. */
export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

type Hosts = ReadonlyMap<string, readonly RoutePath[]>;

/** The Secret that holds a host's certificate. */
interface HostSecret {
  readonly secret: SecretRef;
  readonly isExternal: boolean;
}

/** Which host and path go where, as the Ingress objects say (serving specification §5.4); never changed, only replaced. */
export class RouteTable {
  readonly #external: Hosts;
  readonly #internal: Hosts;
  readonly #secrets: ReadonlyMap<string, HostSecret>;
  /** By `namespace/name`. */
  readonly served: ReadonlyMap<string, Ingress>;
  readonly rejected: ReadonlyMap<string, Rejection>;

  constructor(table: {
    external: Hosts;
    internal: Hosts;
    secrets: ReadonlyMap<string, HostSecret>;
    served: ReadonlyMap<string, Ingress>;
    rejected: ReadonlyMap<string, Rejection>;
  }) {
    this.#external = table.external;
    this.#internal = table.internal;
    this.#secrets = table.secrets;
    this.served = table.served;
    this.rejected = table.rejected;
  }

  hasHost(host: string, isInternal: boolean): boolean {
    return (isInternal ? this.#internal : this.#external).has(host);
  }

  /** Undefined where the host is not served over TLS there. */
  secretOf(host: string, isInternal: boolean): SecretRef | undefined {
    const found = this.#secrets.get(host);
    return found && (found.isExternal || isInternal) ? found.secret : undefined;
  }

  match(request: RouteRequest): RoutePath | undefined {
    const paths = (request.isInternal ? this.#internal : this.#external).get(request.host);
    return paths?.find((path) => isMatch(path, request));
  }
}

interface Rule {
  readonly hosts: readonly string[];
  readonly isExternal: boolean;
  readonly paths: readonly RoutePath[];
  /** By host. */
  readonly secrets: ReadonlyMap<string, SecretRef>;
}

/** What Ingresses say, kept for as long as the objects are: a table is built for each change, which is of few of them. */
export type RouteMemory = WeakMap<Ingress, readonly Rule[] | Rejection>;

/** Where two Ingresses name one host, the older has it: nobody loses a host to one who comes later. */
export function buildRouteTable(
  ingresses: readonly Ingress[],
  memory: RouteMemory = new WeakMap(),
): RouteTable {
  const external = new Map<string, RoutePath[]>();
  const internal = new Map<string, RoutePath[]>();
  const secrets = new Map<string, HostSecret>();
  const owners = new Map<string, string>();
  const served = new Map<string, Ingress>();
  const rejected = new Map<string, Rejection>();
  for (const ingress of ingresses.filter(isOurs).toSorted(byAge)) {
    const key = keyOf(ingress);
    const rules = memory.get(ingress) ?? rulesOf(ingress);
    memory.set(ingress, rules);
    if ('reason' in rules) {
      rejected.set(key, rules);
      continue;
    }
    const hosts = rules.flatMap((rule) => rule.hosts);
    const taken = hosts.find((host) => owners.has(host));
    if (taken !== undefined) {
      const message = `host ${taken} is served for Ingress ${owners.get(taken)}, which is older`;
      rejected.set(key, { reason: 'DomainConflict', message });
      continue;
    }
    addRules(rules, { external, internal, secrets });
    served.set(key, ingress);
    for (const host of hosts) owners.set(host, key);
  }
  for (const hosts of [external, internal]) {
    // A stable sort: of equally long prefixes the first listed is tried first.
    for (const paths of hosts.values()) {
      if (paths.length > 1) paths.sort((a, b) => b.prefix.length - a.prefix.length);
    }
  }
  return new RouteTable({ external, internal, secrets, served, rejected });
}

/** The split that a number from [0, 1) falls to. One with 0 percent is never chosen. */
export function pickSplit(path: RoutePath, fraction: number): RouteSplit | undefined {
  const drawn = fraction * 100;
  return path.splits.find((split) => drawn < split.below);
}

export function keyOf({ metadata }: Pick<Ingress, 'metadata'>): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
}

/** Everybody else's is never touched, and neither is one that names nobody. */
export function isOurs({ metadata }: Pick<Ingress, 'metadata'>): boolean {
  const isGoing = metadata.deletionTimestamp !== undefined;
  return metadata.annotations?.[networkingKeys.ingressClass] === INGRESS_CLASS && !isGoing;
}

function isMatch(path: RoutePath, request: RouteRequest): boolean {
  if (!request.path.startsWith(path.prefix) && !(request.path === '*' && path.prefix === '/')) {
    return false;
  }
  return path.headers.every(([name, exact]) => request.fields.get(name) === exact);
}

/** All of them or none: an Ingress is served as a whole or not at all. */
function rulesOf(ingress: Ingress): readonly Rule[] | Rejection {
  const tls = tlsOf(ingress);
  const foreign = tls.find(({ secret }) => secret.namespace !== ingress.metadata.namespace);
  if (foreign) {
    // Whoever may write Ingresses in one namespace would speak in the name of another.
    const { namespace, name } = foreign.secret;
    const message = `Secret ${namespace}/${name} is in another namespace than the Ingress`;
    return { reason: 'IngressRejected', message };
  }
  try {
    return (ingress.spec.rules ?? []).map((rule) => {
      const hosts = (rule.hosts ?? []).map((host) => host.toLowerCase());
      const isExternal = rule.visibility !== 'ClusterLocal';
      return {
        hosts,
        isExternal,
        paths: (rule.http?.paths ?? []).map((path) => routePath(path, { ingress, isExternal })),
        secrets: new Map(
          hosts.flatMap((host) => {
            const secret = secretFor(tls, host);
            return secret ? [[host, secret] as const] : [];
          }),
        ),
      };
    });
  } catch (error) {
    if (!(error instanceof InvalidFields)) throw error;
    return { reason: 'IngressRejected', message: error.message };
  }
}

function addRules(
  rules: readonly Rule[],
  into: {
    external: Map<string, RoutePath[]>;
    internal: Map<string, RoutePath[]>;
    secrets: Map<string, HostSecret>;
  },
): void {
  for (const { hosts, isExternal, paths, secrets } of rules) {
    for (const host of hosts) {
      append(into.internal, host, paths);
      if (isExternal) append(into.external, host, paths);
    }
    for (const [host, secret] of secrets) {
      const isKnown = into.secrets.get(host)?.isExternal ?? false;
      into.secrets.set(host, { secret, isExternal: isExternal || isKnown });
    }
  }
}

function append(hosts: Map<string, RoutePath[]>, host: string, paths: readonly RoutePath[]): void {
  hosts.set(host, [...(hosts.get(host) ?? []), ...paths]);
}

/** Where authorities look for the proof that a host is ours (RFC 8555 §8.3): there is no certificate for it yet. */
const ACME_CHALLENGES = '/.well-known/acme-challenge/';

function routePath(
  path: IngressPath,
  { ingress, isExternal }: { ingress: Ingress; isExternal: boolean },
): RoutePath {
  let below = 0;
  const prefix = path.path || '/';
  return {
    ingress,
    prefix,
    isOnlySecure:
      isExternal && ingress.spec.httpOption === 'Redirected' && !prefix.startsWith(ACME_CHALLENGES),
    headers: Object.entries(path.headers ?? {}).map(
      ([name, { exact }]) => [name.toLowerCase(), asOnTheWire(exact)] as const,
    ),
    rewriteHost: path.rewriteHost || undefined,
    splits: path.splits.map((split) => {
      below += percentOf(split, path.splits);
      return {
        namespace: split.serviceNamespace,
        service: split.serviceName,
        port: split.servicePort,
        below,
        append: appendedFields(onTheWire(path.appendHeaders), onTheWire(split.appendHeaders)),
      };
    }),
  };
}

function onTheWire(fields: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, asOnTheWire(value)]),
  );
}

/** Values of fields are octets, a character each, to the parser and the writer; what an Ingress says goes in UTF-8, as from Go. */
function asOnTheWire(value: string): string {
  return Buffer.from(value).toString('latin1');
}

/** Clients in Go leave a 0 out; admission fills in the 100 of one that is alone. */
export function percentOf({ percent }: IngressSplit, splits: readonly IngressSplit[]): number {
  return percent ?? (splits.length === 1 ? 100 : 0);
}

function byAge(a: Ingress, b: Ingress): number {
  const [aTime, bTime] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (aTime !== bTime) return aTime < bTime ? -1 : 1;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}
