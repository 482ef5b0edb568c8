import type { Answer } from 'dns-packet';
import { isIPv4, isIPv6 } from 'node:net';
import type { Service } from '#api/core-v1/service.ts';
import { type ClusterNames, isHeadless, type NamedEndpoint } from './cluster-names.ts';

/** What is asked, its name in lower case and without a dot at the end. */
export interface ZoneQuestion {
  readonly name: string;
  readonly type: string;
}

/** `elsewhere`: not ours to answer. Otherwise what is to be said; no `answers` and `exists` is "there, but not of that type". */
export type ZoneAnswer =
  | 'elsewhere'
  | {
      readonly exists: boolean;
      readonly answers: readonly Answer[];
      readonly additionals?: readonly Answer[];
      /** A name outside the zone that the last CNAME leads to, still to be looked up. */
      readonly continueAt?: string;
    };

/** Seconds; short, because Services come and go and clients here are near. */
const TTL = 5;
const SCHEMA_VERSION = '1.1.0';
const CNAMES_MAX = 8;
const NOTHING: ZoneAnswer = { exists: false, answers: [] };
const EMPTY: ZoneAnswer = { exists: true, answers: [] };

/** Kubernetes' DNS-based service discovery, version 1.1.0, as a function of what the cluster has. */
export function answerFromZone(
  question: ZoneQuestion,
  { names, domain }: { names: ClusterNames; domain: string },
): ZoneAnswer {
  const { name } = question;
  if (name === 'localhost' || name.endsWith('.localhost')) return loopback(question);
  if (name.endsWith('.in-addr.arpa')) return reverse(question, { names, domain });
  if (name !== domain && !name.endsWith(`.${domain}`)) return 'elsewhere';
  const labels = name === domain ? [] : name.slice(0, -domain.length - 1).split('.');
  const [last, ...before] = labels.toReversed();
  if (last === undefined) return apex(question);
  if (last === 'dns-version' && before.length === 0) return version(question);
  if (last === 'pod') return podByAddress(question, before);
  if (last !== 'svc') return NOTHING;
  return inServices(question, { names, domain, path: before, depth: 0 });
}

/** RFC 2308: what a negative answer says about how long it holds. */
export function startOfAuthority(domain: string): Answer {
  return {
    type: 'SOA',
    name: domain,
    ttl: TTL,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL,
    },
  };
}

interface InServices {
  readonly names: ClusterNames;
  readonly domain: string;
  /** The labels before `svc`, the namespace first. */
  readonly path: readonly string[];
  readonly depth: number;
}

/** `service.namespace`, `endpoint.service.namespace` or `_port._protocol.service.namespace`. */
function inServices(question: ZoneQuestion, asked: InServices): ZoneAnswer {
  const { names, path } = asked;
  const [namespace, serviceName, ...more] = path;
  if (namespace === undefined) return EMPTY;
  if (serviceName === undefined) return names.hasNamespace(namespace) ? EMPTY : NOTHING;
  const service = names.service(namespace, serviceName);
  if (!service) return NOTHING;
  if (service.spec?.type === 'ExternalName') {
    return more.length === 0 ? alias(question, service, asked) : NOTHING;
  }
  const [first, second, ...tooMany] = more;
  if (tooMany.length > 0) return NOTHING;
  if (first === undefined) return serviceAddress(question, service, names);
  if (second === undefined) {
    if (first.startsWith('_'))
      return serviceRecords(question, service, { ...asked, protocol: first });
    return isHeadless(service)
      ? endpointAddress(question, service, { names, hostname: first })
      : NOTHING;
  }
  return serviceRecords(question, service, { ...asked, protocol: first, port: second });
}

function serviceAddress(question: ZoneQuestion, service: Service, names: ClusterNames): ZoneAnswer {
  if (!isHeadless(service)) {
    const { clusterIP, clusterIPs } = service.spec ?? {};
    return addresses(question, clusterIPs ?? (clusterIP ? [clusterIP] : []));
  }
  const endpoints = names.endpoints(service);
  return addresses(
    question,
    endpoints.map((endpoint) => endpoint.address),
  );
}

function endpointAddress(
  question: ZoneQuestion,
  service: Service,
  { names, hostname }: { names: ClusterNames; hostname: string },
): ZoneAnswer {
  const found = names.endpoints(service).filter((endpoint) => endpoint.hostname === hostname);
  if (found.length === 0) return NOTHING;
  return addresses(
    question,
    found.map((endpoint) => endpoint.address),
  );
}

function addresses({ name, type }: ZoneQuestion, all: readonly string[]): ZoneAnswer {
  const unique = [...new Set(all)];
  const answers: Answer[] = [];
  if (type === 'A' || type === 'ANY') {
    const v4 = unique.filter((address) => isIPv4(address));
    answers.push(...v4.map((data) => ({ type: 'A' as const, name, ttl: TTL, data })));
  }
  if (type === 'AAAA' || type === 'ANY') {
    const v6 = unique.filter((address) => isIPv6(address));
    answers.push(...v6.map((data) => ({ type: 'AAAA' as const, name, ttl: TTL, data })));
  }
  return { exists: true, answers };
}

/** SRV: for one port of a Service, or with `protocol` alone only that the name exists. */
function serviceRecords(
  { name, type }: ZoneQuestion,
  service: Service,
  asked: InServices & { readonly protocol: string; readonly port?: string },
): ZoneAnswer {
  const { names, domain, protocol, port } = asked;
  const targets = isHeadless(service)
    ? names.endpoints(service).flatMap((endpoint) => endpointTargets(service, { endpoint, domain }))
    : serviceTargets(service, domain);
  const found = targets.filter(
    (target) =>
      `_${target.protocol}` === protocol && (port === undefined || `_${target.name}` === port),
  );
  if (found.length === 0) return NOTHING;
  if (port === undefined || (type !== 'SRV' && type !== 'ANY')) return EMPTY;
  const weight = Math.max(1, Math.floor(100 / found.length));
  return {
    exists: true,
    answers: found.map((target) => ({
      type: 'SRV',
      name,
      ttl: TTL,
      data: { priority: 0, weight, port: target.port, target: target.host },
    })),
    additionals: found.flatMap((target) =>
      target.addresses
        .filter((address) => isIPv4(address))
        .map((data) => ({ type: 'A' as const, name: target.host, ttl: TTL, data })),
    ),
  };
}

interface Target {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly host: string;
  readonly addresses: readonly string[];
}

function serviceTargets(service: Service, domain: string): Target[] {
  const { ports = [], clusterIP = '' } = service.spec ?? {};
  return ports.map((port) => ({
    name: port.name ?? '',
    protocol: (port.protocol ?? 'TCP').toLowerCase(),
    port: port.port,
    host: hostOf(service, domain),
    addresses: [clusterIP],
  }));
}

function endpointTargets(
  service: Service,
  { endpoint, domain }: { endpoint: NamedEndpoint; domain: string },
): Target[] {
  return endpoint.ports.map((port) => ({
    ...port,
    host: `${endpoint.hostname}.${hostOf(service, domain)}`,
    addresses: [endpoint.address],
  }));
}

/** An ExternalName Service: a CNAME, followed as long as it stays in the cluster. */
function alias(question: ZoneQuestion, service: Service, asked: InServices): ZoneAnswer {
  const target = (service.spec?.externalName ?? '').toLowerCase().replace(/\.$/, '');
  if (target === '' || asked.depth >= CNAMES_MAX) return EMPTY;
  const cname: Answer = { type: 'CNAME', name: question.name, ttl: TTL, data: target };
  if (question.type === 'CNAME') return { exists: true, answers: [cname] };
  const suffix = `.svc.${asked.domain}`;
  if (!target.endsWith(suffix)) return { exists: true, answers: [cname], continueAt: target };
  const path = target.slice(0, -suffix.length).split('.').toReversed();
  const depth = asked.depth + 1;
  const next = inServices({ ...question, name: target }, { ...asked, path, depth });
  if (next === 'elsewhere') return { exists: true, answers: [cname] };
  return { ...next, exists: true, answers: [cname, ...next.answers] };
}

/** `10-0-0-1.namespace.pod`: the address is the name. */
function podByAddress(question: ZoneQuestion, [namespace, ip, ...more]: string[]): ZoneAnswer {
  if (namespace === undefined || ip === undefined) return EMPTY;
  const address = ip.replaceAll('-', '.');
  return more.length === 0 && isIPv4(address) ? addresses(question, [address]) : NOTHING;
}

/** An address that the cluster does not know may be known elsewhere. */
function reverse(
  { name, type }: ZoneQuestion,
  { names, domain }: { names: ClusterNames; domain: string },
): ZoneAnswer {
  const address = name.slice(0, -'.in-addr.arpa'.length).split('.').toReversed().join('.');
  const found = isIPv4(address) ? names.atAddress(address) : [];
  if (found.length === 0) return 'elsewhere';
  if (type !== 'PTR' && type !== 'ANY') return EMPTY;
  return {
    exists: true,
    answers: found.map(({ service, hostname }) => ({
      type: 'PTR',
      name,
      ttl: TTL,
      data: hostname ? `${hostname}.${hostOf(service, domain)}` : hostOf(service, domain),
    })),
  };
}

function apex({ name, type }: ZoneQuestion): ZoneAnswer {
  if (type === 'SOA') return { exists: true, answers: [startOfAuthority(name)] };
  if (type !== 'NS') return EMPTY;
  return { exists: true, answers: [{ type: 'NS', name, ttl: TTL, data: `ns.dns.${name}` }] };
}

function version({ name, type }: ZoneQuestion): ZoneAnswer {
  if (type !== 'TXT') return EMPTY;
  return { exists: true, answers: [{ type: 'TXT', name, ttl: TTL, data: SCHEMA_VERSION }] };
}

/** RFC 6761 §6.3: such names mean the asker's own machine and are asked of nobody else. */
function loopback(question: ZoneQuestion): ZoneAnswer {
  return addresses(question, ['127.0.0.1', '::1']);
}

function hostOf({ metadata }: Service, domain: string): string {
  return `${metadata.name ?? ''}.${metadata.namespace ?? ''}.svc.${domain}`;
}
