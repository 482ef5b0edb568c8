import { conditionOf, isFailed, isReady, type Condition } from '#api/meta/conditions.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Certificate, type Http01Challenge } from '#api/networking-v1alpha1/certificate.ts';
import type { IngressPath, IngressTls } from '#api/networking-v1alpha1/ingress.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import type { Conditions } from '#api/meta/conditions.ts';
import type { NameTaken } from '#reconcile/name-taken.ts';
import type { ToldFailure } from '#reconcile/told-failure.ts';
import { doesNotOwn, type Teller } from '#controllers/serving/ensure-owned.ts';

type Said = Pick<Condition, 'status' | 'reason' | 'message'>;

/** How TLS stands for the hosts of a Route or a DomainMapping. */
export interface TlsState {
  /** For the Ingress: certificates that are there. */
  readonly tls: readonly IngressTls[];
  /** For the Ingress: what must answer so that the others come. */
  readonly challenges: readonly Http01Challenge[];
  /** Hosts whose URLs begin with https. */
  readonly secure: ReadonlySet<string>;
  /** What CertificateProvisioned says. */
  readonly said: Said;
  /** A Certificate's name that somebody else has. */
  readonly taken?: string;
  /** Why a Certificate that is no longer needed is still there: to be tried again, and nothing that hosts wait for. */
  readonly orphaned?: ToldFailure;
}

/** A Certificate for hosts. */
export interface HostCertificate {
  readonly name: string;
  /** Absent where somebody else has its name. */
  readonly certificate: Certificate | undefined;
  readonly hosts: readonly string[];
  readonly isLocal: boolean;
}

/** Upstream's sentences, which are not the same for all kinds. */
export interface CertificateWords {
  notReady(name: string, reason: string): string;
  failed(name: string, reason: string): string;
}

/** What `CertificateProvisioned` says where nobody asks for a certificate. */
export function notEnabled(message = 'external-domain-tls is not enabled'): TlsState {
  const said: Said = { status: 'True', reason: 'TLSNotEnabled', message };
  return { tls: [], challenges: [], secure: new Set(), said };
}

/**
 * A public host without its certificate yet is called by http where the cluster lets it (`http-protocol: Enabled`), and is
 * Ready so; else it waits. Of several certificates the worst is told (serving specification §3.11).
 */
export function tlsState(
  all: readonly HostCertificate[],
  { network }: ServingSettings,
  words: CertificateWords,
): TlsState {
  const isOptional = network.httpProtocol === 'Enabled';
  const tls: IngressTls[] = [];
  const challenges: Http01Challenge[] = [];
  const secure = new Set<string>();
  const said: Said[] = [];
  for (const { name, certificate, hosts, isLocal } of all) {
    const isThere = certificate !== undefined && isReady(certificate);
    const isPlain = !isThere && (isLocal || isOptional);
    if (!isPlain) for (const host of hosts) secure.add(host);
    if (isThere) {
      const { spec, metadata } = certificate;
      const { namespace: secretNamespace = '' } = metadata;
      tls.push({ hosts: [...hosts], secretName: spec.secretName ?? '', secretNamespace });
    }
    // Also of one that is there, while it is being renewed.
    challenges.push(...(certificate?.status?.http01Challenges ?? []));
    said.push(standingOf(name, certificate, { words, isDowngraded: isPlain && !isLocal }));
  }
  const taken = all.find(({ certificate }) => certificate === undefined)?.name;
  return {
    tls,
    ...(taken !== undefined && { taken }),
    challenges: challenges.toSorted((a, b) => ((a.url ?? '') < (b.url ?? '') ? -1 : 1)),
    secure,
    said: said.toSorted((a, b) => severityOf(b) - severityOf(a))[0] ?? { status: 'True' },
  };
}

function standingOf(
  name: string,
  certificate: Certificate | undefined,
  { words, isDowngraded }: { readonly words: CertificateWords; readonly isDowngraded: boolean },
): Said {
  if (!certificate) {
    const message = `There is an existing certificate ${name} that we don't own.`;
    return { status: 'False', reason: 'CertificateNotOwned', message };
  }
  if (isReady(certificate)) return { status: 'True' };
  if (isDowngraded) {
    const message = `Certificate ${name} is not ready downgrade HTTP.`;
    return { status: 'True', reason: 'HTTPDowngrade', message };
  }
  const reason = conditionOf(certificate, 'Ready')?.reason ?? '';
  if (isFailed(certificate)) {
    const message = words.failed(name, reason);
    return { status: 'False', reason: 'CertificateProvisionFailed', message };
  }
  return {
    status: 'Unknown',
    reason: 'CertificateNotReady',
    message: words.notReady(name, reason),
  };
}

function severityOf({ status, reason }: Said): number {
  if (status === 'False') return 3;
  if (status === 'Unknown') return 2;
  return reason === undefined ? 0 : 1;
}

/** Unlike `Conditions.mark` it keeps the words of what is True. */
export function markCertificates(conditions: Conditions, { said }: TlsState): void {
  const type = 'CertificateProvisioned';
  if (said.status === 'True') conditions.markTrue(type, said.reason, said.message);
  else conditions.mark(type, said);
}

/** For the Events about a Certificate's owner. */
export function certificateTeller({ metadata }: Certificate, teller: Teller): Teller {
  return { ...teller, called: `Certificate ${metadata.namespace}/${metadata.name}` };
}

/** What whoever needs a Certificate fails with whose name is somebody else's; undefined where none is. */
export function certificateTaken(
  owner: KubeObject,
  { taken: name }: TlsState,
): NameTaken | undefined {
  if (name === undefined) return undefined;
  const [, version] = owner.apiVersion.split('/');
  const type = `*${version}.${owner.kind}`;
  const message = `owner: ${owner.metadata.name} with Type ${type} does not own Certificate: "${name}"`;
  return doesNotOwn(owner, Certificate, { name, message });
}

/** Paths of a host that must be looked at before all others. */
export function challengePaths(host: string, { challenges }: TlsState): IngressPath[] {
  return challenges.flatMap(
    ({ url = '', serviceName = '', serviceNamespace = '', servicePort }) => {
      // Of another class' provider it may be anything.
      const { hostname, pathname = '' } = URL.parse(url) ?? {};
      if (hostname !== host || servicePort === undefined) return [];
      const split = { serviceName, serviceNamespace, servicePort, percent: 100 };
      return [{ path: pathname, splits: [split] }];
    },
  );
}
