import { GoTemplateError } from '#base/go-template.ts';
import { dns1035Label, subdomain } from '#api/meta/name-errors.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { domainFor } from '#api/serving-config/config-domain.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/** The hosts of a Route, or of one of its tags. */
export interface RouteHosts {
  /** In its namespace: also what the placeholder Service is called. */
  readonly name: string;
  /** The short and long names inside the cluster. */
  readonly local: readonly string[];
  /** Absent where the Route is only for the cluster. */
  readonly public?: string;
}

/** What a template of config-network made is no host; the message says which and why. */
export class NoHost extends Error {
  override readonly name = 'NoHost';
}

/** What a Route or a tag of it is called in its namespace. Throws NoHost where tag and name together are none. */
export function hostName(route: Route, tag: string, config: ServingConfig): string {
  const { name } = placeOf(route.metadata);
  if (tag === '') return name;
  const host = executed(() =>
    config.settings().network.tagTemplate.execute({ Tag: tag, Name: name }),
  );
  const why = dns1035Label(host);
  if (why.length === 0) return host;
  throw new NoHost(`Invalid host name "${host}" of the tag "${tag}": ${why.join(', ')}`);
}

/**
 * `name` by hostName(), `labels` of the placeholder Service of the tag: a user makes one tag private with them. Throws NoHost
 * where the domain template makes none of it.
 */
export function routeHosts(
  route: Route,
  {
    name,
    labels,
  }: { readonly name: string; readonly labels: Readonly<Record<string, string>> | undefined },
  config: ServingConfig,
): RouteHosts {
  const { namespace } = placeOf(route.metadata);
  const { visibility } = networkingKeys;
  const isLocal = [route.metadata.labels, labels].some(
    (those) => those?.[visibility] === 'cluster-local',
  );
  const cluster = `svc.${config.clusterDomain}`;
  const domain = routeDomain(route, config);
  return {
    name,
    local: [`${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.${cluster}`],
    ...(!isLocal &&
      domain !== cluster && { public: publicHost(route, { host: name, domain }, config) }),
  };
}

/** What its public hosts are in. */
export function routeDomain({ metadata }: Route, config: ServingConfig): string {
  return domainFor(config.settings().domain, metadata.labels ?? {}) ?? config.domain;
}

function publicHost(
  { metadata }: Route,
  { host, domain }: { readonly host: string; readonly domain: string },
  config: ServingConfig,
): string {
  const { namespace = '', annotations = {}, labels = {} } = metadata;
  const data = {
    Name: host,
    Namespace: namespace,
    Domain: domain,
    Annotations: new Map(Object.entries(annotations)),
    Labels: new Map(Object.entries(labels)),
  };
  const name = executed(() => config.settings().network.domainTemplate.execute(data));
  const isTooLong = name.split('.').some((label) => label.length > 63);
  const why = isTooLong ? ['no part of it may have more than 63 characters'] : subdomain(name);
  if (why.length === 0) return name;
  throw new NoHost(`Invalid domain name "${name}" of the host "${host}": ${why.join(', ')}`);
}

function executed(execute: () => string): string {
  try {
    return execute();
  } catch (error) {
    if (!(error instanceof GoTemplateError)) throw error;
    throw new NoHost(error.message);
  }
}

/** Hosts whose URLs begin with https. */
type Secure = ReadonlySet<string>;

/** Where a client outside reaches the hosts, or inside where there is no outside. */
export function urlOf(hosts: RouteHosts, secure: Secure, config: ServingConfig): string {
  if (hosts.public === undefined) return localUrl(hosts, secure);
  return publicUrl(hosts.public, secure, config);
}

/** Where a client inside the cluster reaches the hosts. */
export function localUrl({ local }: RouteHosts, secure: Secure): string {
  const host = local.at(-1) ?? '';
  return `${secure.has(host) ? 'https' : 'http'}://${host}`;
}

/** Where a client outside reaches a host. */
export function publicUrl(host: string, secure: Secure, config: ServingConfig): string {
  if (secure.has(host)) {
    return `https://${host}${config.publicHttpsPort === 443 ? '' : `:${config.publicHttpsPort}`}`;
  }
  const { externalScheme } = config.settings().network;
  const usual = externalScheme === 'https' ? 443 : 80;
  // The gateway's port is that of plain HTTP; who puts TLS before it does so at the usual one.
  const isUsual = config.publicPort === usual || externalScheme === 'https';
  return `${externalScheme}://${host}${isUsual ? '' : `:${config.publicPort}`}`;
}
