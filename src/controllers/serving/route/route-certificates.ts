import { isFailed } from '#api/meta/conditions.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { networkingAliases, networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { findAlias, servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Client } from '#client/client.ts';
import type { Context } from '#reconcile/controller.ts';
import type { ToldFailure } from '#reconcile/told-failure.ts';
import { deleteCertificate } from '#controllers/serving/certificate/delete-certificate.ts';
import { desiredCertificate } from '#controllers/serving/certificate/desired-certificate.ts';
import {
  certificateTeller,
  notEnabled,
  tlsState,
  type CertificateWords,
  type HostCertificate,
  type TlsState,
} from '#controllers/serving/certificate/tls-state.ts';
import { ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import { routeDomain, type RouteHosts } from '#controllers/serving/route/route-hosts.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

const WORDS: CertificateWords = {
  notReady: (name, reason) => `Certificate ${name} is not ready: ${reason}`,
  failed: (name, reason) => `Certificate ${name} fails to be provisioned: ${reason}`,
};

interface Wanted {
  /** By tag, '' for the Route itself. */
  readonly hosts: ReadonlyMap<string, RouteHosts>;
  readonly config: ServingConfig;
}

/** Asks for the certificates of a Route's hosts, gives up those of hosts that it had, and says how they stand. */
export async function ensureRouteTls(
  route: Route,
  context: Context,
  { hosts, config }: Wanted,
): Promise<TlsState> {
  const settings = config.settings();
  const isLocalSecure = settings.network.clusterLocalDomainTls === 'Enabled';
  const isExternalSecure = isExternalTlsEnabled(route, config);
  const external = isExternalSecure ? externalCertificates(route, { hosts, config }) : [];
  const local = isLocalSecure ? localCertificates(route, { hosts, config }) : [];
  const all: HostCertificate[] = [];
  const wildcards = external.length > 0 ? await wildcardsOf(context.client, route, config) : [];
  for (const desired of external) {
    const hostsOf = desired.spec.dnsNames ?? [];
    const certificate =
      wildcards.find((wildcard) => !isFailed(wildcard) && covers(wildcard, hostsOf)) ??
      (await ensured(context, route, { desired, config }));
    const { name = '' } = (certificate ?? desired).metadata;
    all.push({ name, certificate, hosts: hostsOf, isLocal: false });
  }
  for (const desired of local) {
    const certificate = await ensured(context, route, { desired, config });
    const { name = '' } = desired.metadata;
    all.push({ name, certificate, hosts: desired.spec.dnsNames ?? [], isLocal: true });
  }
  const left = [
    ...(isExternalSecure
      ? await orphans(route, context, { type: EXTERNAL, wanted: external })
      : []),
    ...(isLocalSecure ? await orphans(route, context, { type: LOCAL, wanted: local }) : []),
  ];
  const orphaned = await deleteAll(left, context);
  // Secure, but no host is for anybody outside.
  const none = isExternalSecure ? notEnabled('TLS is not enabled for cluster-local') : notEnabled();
  const state = all.length > 0 ? tlsState(all, settings, WORDS) : none;
  return { ...state, ...(orphaned && { orphaned }) };
}

const EXTERNAL = 'external-domain';
const LOCAL = 'cluster-local-domain';

/** Unless the object itself says otherwise. */
export function isExternalTlsEnabled(
  { metadata }: { readonly metadata: Route['metadata'] },
  config: ServingConfig,
): boolean {
  if (config.settings().network.externalDomainTls !== 'Enabled') return false;
  const said = findAlias(metadata.annotations, networkingAliases.disableExternalDomainTls)?.value;
  return !['1', 't', 'true'].includes(said?.toLowerCase() ?? '');
}

async function ensured(
  context: Context,
  route: Route,
  { desired, config }: { readonly desired: Certificate; readonly config: ServingConfig },
): Promise<Certificate | undefined> {
  const settings = config.settings();
  const teller = certificateTeller(desired, { context, component: 'route-controller' });
  return await ensureOwned(context.client, Certificate, {
    owner: route,
    desired,
    settings,
    teller,
  });
}

/** One for each host outside the cluster. */
function externalCertificates(route: Route, { hosts, config }: Wanted): Certificate[] {
  const domain = routeDomain(route, config);
  return [...hosts].flatMap(([tag, { public: host }]) =>
    host === undefined
      ? []
      : [routeCertificate(route, { tag, type: EXTERNAL, dnsNames: [host], domain }, config)],
  );
}

/** One for each tag, for all its names inside the cluster. */
function localCertificates(route: Route, { hosts, config }: Wanted): Certificate[] {
  const domain = `svc.${config.clusterDomain}`;
  return [...hosts].map(([tag, { local }]) =>
    routeCertificate(route, { tag, type: LOCAL, dnsNames: local, domain }, config),
  );
}

function routeCertificate(
  route: Route,
  {
    tag,
    type,
    dnsNames,
    domain,
  }: {
    readonly tag: string;
    readonly type: typeof EXTERNAL | typeof LOCAL;
    readonly dnsNames: readonly string[];
    readonly domain: string;
  },
  config: ServingConfig,
): Certificate {
  const { name, namespace } = placeOf(route.metadata);
  const ofTag = tag === '' ? '' : `-${adler32(tag)}`;
  const wish = {
    name: `route-${route.metadata.uid ?? ''}${ofTag}${type === LOCAL ? '-local' : ''}`,
    namespace,
    labels: { [servingKeys.route]: name, [networkingKeys.certificateType]: type },
    dnsNames,
    domain,
  };
  return desiredCertificate(route, wish, config.settings());
}

/** RFC 1950 §8.2; upstream's names have it in them, so that a cluster can change hands. */
function adler32(text: string): number {
  let [a, b] = [1, 0];
  for (const byte of Buffer.from(text)) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return b * 65_536 + a;
}

async function wildcardsOf(
  client: Client,
  route: Route,
  config: ServingConfig,
): Promise<readonly Certificate[]> {
  const { namespace } = placeOf(route.metadata);
  const labelSelector = `${networkingKeys.wildcardDomain}=${routeDomain(route, config)}`;
  return (await client.list(Certificate, { namespace, labelSelector })).items;
}

/** `*.default.example.com` is for names with exactly one label in its place (RFC 6125 §6.4.3). */
function covers({ spec }: Certificate, hosts: readonly string[]): boolean {
  const { dnsNames = [] } = spec;
  return hosts.every((host) => dnsNames.includes(`*.${host.split('.').slice(1).join('.')}`));
}

/** What the Route had for hosts that are no longer wanted. */
async function orphans(
  route: Route,
  { client }: Context,
  { type, wanted }: { readonly type: string; readonly wanted: readonly Certificate[] },
): Promise<readonly Certificate[]> {
  const { name: routeName, namespace } = placeOf(route.metadata);
  const labelSelector = `${servingKeys.route}=${routeName},${networkingKeys.certificateType}=${type}`;
  const { items } = await client.list(Certificate, { namespace, labelSelector });
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  return items.filter((one) => !names.has(one.metadata.name) && isOwnedBy(one, route));
}

/** Returns the last failure: it keeps nobody from the others. */
async function deleteAll(
  certificates: readonly Certificate[],
  context: Context,
): Promise<ToldFailure | undefined> {
  let failure: ToldFailure | undefined;
  for (const certificate of certificates) {
    const called = 'orphaned Knative Certificate';
    const told = { called, component: 'route-controller' };
    failure = (await deleteCertificate(context, certificate, told)) ?? failure;
  }
  return failure;
}
