import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { parseServiceHost } from '#api/core-v1/service-host.ts';
import type { Backend } from '../backend/backend.ts';
import type { Exchange } from '../connection/exchange.ts';
import { fieldsForRevision, type Onward } from '../forward/forwarded-fields.ts';
import { Relay } from '../forward/relay.ts';
import { type AppendedFields, appendedFields, mergedFields, noFields } from './appended-fields.ts';
import type { DrainRequests } from './drain-requests.ts';
import { hashOf } from './ingress-hash.ts';
import { answerProbe, probeOf } from './network-probe.ts';
import { buildRouteTable, pickSplit, type RoutePath } from './route-table.ts';
import type { ServiceDirectory } from './service-directory.ts';

export interface RequestRouterOptions {
  readonly directory: ServiceDirectory;
  readonly random: Random;
  readonly clock: Clock;
  readonly clusterDomain: string;
  /** Whether all routes have been read; before that, not knowing a host means nothing. */
  readonly isSynced: () => boolean;
  /** Asked at the internal door; absent where nobody may. */
  readonly drains?: DrainRequests;
}

/** Routes that lead to this gateway itself are followed that often: a host that is rewritten to itself must end. */
const HOPS_MAX = 3;

/** Where a request stands that is routed. */
interface Routing {
  readonly host: string;
  readonly isInternal: boolean;
  /** What the routes so far set on it. */
  readonly append: AppendedFields;
  /** The first of these routes is by this one, which is what serves the caller's host; undefined before that. */
  readonly ingress: Ingress | undefined;
  readonly hops: number;
}

/** Where a request goes that has been routed. */
interface Destination extends Pick<Routing, 'append'> {
  readonly backend: Backend;
  readonly path: RoutePath;
  readonly ingress: Ingress;
}

/** From a request to whom it is for. */
export class RequestRouter {
  /** Replaced as a whole; requests on their way keep what they were given. */
  table = buildRouteTable([]);
  readonly #options: RequestRouterOptions;

  constructor(options: RequestRouterOptions) {
    this.#options = options;
  }

  route(exchange: Exchange): void {
    const { door } = exchange.connection;
    const host = hostOf(exchange.head.authority);
    if (door === 'backend') this.#toRevision(exchange, host);
    else {
      const isInternal = door === 'internal';
      if (isInternal && this.#options.drains?.take(exchange, host)) return;
      this.#byHost(exchange, { host, isInternal, append: noFields, ingress: undefined, hops: 0 });
    }
  }

  #byHost(exchange: Exchange, routing: Routing): void {
    const { host, isInternal, append, hops } = routing;
    const { target, fields } = exchange.head;
    const query = target.indexOf('?');
    const path = query === -1 ? target : target.slice(0, query);
    const found = this.table.match({ host, path, fields, isInternal });
    if (!found) {
      this.#refuseUnknown(exchange, host);
      return;
    }
    if (found.isOnlySecure && hops === 0 && exchange.connection.scheme === 'http') {
      redirect(exchange, host);
      return;
    }
    const split = pickSplit(found, this.#options.random.fraction());
    const destination = split && this.#options.directory.find(split);
    if (!split || !destination) {
      exchange.respond(503, `no service for ${host} is known yet`);
      return;
    }
    const all = mergedFields(append, split.append);
    const ingress = routing.ingress ?? found.ingress;
    if (destination !== 'self') {
      this.#send(exchange, { backend: destination, path: found, append: all, ingress });
    } else if (hops < HOPS_MAX) {
      const next = { host: found.rewriteHost ?? host, append: all, ingress, hops: hops + 1 };
      this.#byHost(exchange, { ...next, isInternal: true });
    } else exchange.respond(508, `the routes of ${host} lead in a circle`);
  }

  #send(exchange: Exchange, { backend, path, append, ingress }: Destination): void {
    const { authority, fields } = exchange.head;
    const probe = probeOf(exchange);
    if (backend.kind === 'revision') {
      if (probe) this.#answerProbe(exchange, backend, { probe, ingress });
      else {
        // Whatever hosts the routes went through, the program sees the one that its caller wrote.
        const host = append.values.get('k-original-host') ?? authority;
        this.#relay(exchange, backend, { host, append: fieldsForRevision(append) });
      }
      return;
    }
    const asked = fields.get('k-network-hash');
    const hash = asked === 'override' ? hashOf(ingress) : asked;
    const isPlain = hash === undefined && probe === undefined;
    this.#relay(exchange, backend, {
      host: path.rewriteHost ?? authority,
      append: isPlain ? append : mergedFields(append, probeFields(probe, hash)),
    });
  }

  /** The trusted door: the revision is named by fields, or by the host of its Service. */
  #toRevision(exchange: Exchange, host: string): void {
    const { fields, authority } = exchange.head;
    const { directory, clusterDomain } = this.#options;
    const name = fields.get('knative-serving-revision');
    const namespace = fields.get('knative-serving-namespace');
    let backend: ReturnType<ServiceDirectory['find']>;
    if (name && namespace) backend = directory.revision(namespace, name);
    else {
      const service = parseServiceHost(host, clusterDomain);
      backend = service && directory.find({ ...service, port: 80 });
    }
    if (!backend || backend === 'self' || backend.kind !== 'revision') {
      this.#refuseUnknown(exchange, name ?? host);
      return;
    }
    const probe = probeOf(exchange);
    if (probe) this.#answerProbe(exchange, backend, { probe, ingress: undefined });
    else {
      this.#relay(exchange, backend, {
        host: fields.get('k-original-host') ?? authority,
        append: noFields,
      });
    }
  }

  #answerProbe(
    exchange: Exchange,
    { observer }: Backend,
    asked: Parameters<typeof answerProbe>[1],
  ): void {
    const arrivedMs = this.#options.clock.monotonicMs();
    answerProbe(exchange, asked);
    const unseen = { admittedMs: undefined, servedBy: undefined, trace: undefined };
    observer?.probed({ exchange, appended: noFields, arrivedMs, hasWaited: false, ...unseen });
  }

  #relay(exchange: Exchange, backend: Backend, onward: Onward): void {
    new Relay(exchange, { backend, onward, clock: this.#options.clock }).start();
  }

  #refuseUnknown(exchange: Exchange, name: string): void {
    if (this.#options.isSynced()) exchange.respond(404, `nothing is served as ${name}`);
    else exchange.respond(503, 'the routes are not known yet', { 'retry-after': '1' });
  }
}

/** In a query what no URI may hold: the parser lets it pass. */
const NO_URI = /["<>\\\u0080-\u00ff]/g;

/** To the same over HTTPS. The host is one of ours, and the target has passed the parser: neither can break out. */
function redirect(exchange: Exchange, host: string): void {
  const { httpsPort } = exchange.connection;
  const { target } = exchange.head;
  const port = httpsPort === 443 ? '' : `:${httpsPort}`;
  const place = target === '*' ? '/' : target.replaceAll(NO_URI, percentEncoded);
  const location = `https://${host}${port}${place}`;
  exchange.respond(301, `this is served at ${location}`, { location });
}

/** For who answers probes itself: they are the platform's, and dropped where nobody sets them. */
function probeFields(probe: string | undefined, hash: string | undefined): AppendedFields {
  return appendedFields({
    ...(probe !== undefined && { 'K-Network-Probe': probe }),
    ...(hash !== undefined && { 'K-Network-Hash': hash }),
  });
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Lower case and without the port, which no rule looks at (serving specification §5.4). */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon !== -1 && !authority.endsWith(']');
  return (hasPort ? authority.slice(0, colon) : authority).toLowerCase();
}
