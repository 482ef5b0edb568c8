import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import type { Clock } from '#base/clock.ts';
import { makeCertificate, makeKey, type KeyPair, type Subject } from '#base/x509/certificate.ts';
import { keyPairText, readKeyPair, readText, unreadable } from '#apiserver/pki/certificate-file.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const AUTHORITY_LIFETIME_MS = 3650 * DAY_MS;
const LEAF_LIFETIME_MS = 365 * DAY_MS;
/** A certificate is made anew this long before its end, so that a platform started now and then never meets it. */
const RENEWED_BEFORE_MS = 60 * DAY_MS;

export interface PkiOptions {
  /** The platform's state folder; everything is kept in `pki` in it, readable by its owner alone. */
  readonly home: string;
  readonly clock: Clock;
}

/**
 * The keys and certificates of one platform. What exists is used again; what is missing, near its end, or not of this
 * authority is made. Every file is written whole, so a crash at any point leaves either the old or the new one.
 */
export interface Pki {
  /** The authority's certificate, PEM: what clients trust and the server trusts clients by. */
  readonly authority: string;
  /** The API server's, for `names` exactly: DNS names and IP addresses. */
  server(names: readonly string[]): Promise<KeyPair>;
  /** Another server's of the platform; `file` is the name it is kept under. */
  service(file: string, names: readonly string[]): Promise<KeyPair>;
  /** `file` is the name it is kept under: `admin`. */
  client(file: string, subject: Subject): Promise<KeyPair>;
  /** The private key that service-account tokens are signed with, PEM. */
  tokenKey(): Promise<string>;
}

/** Opens the PKI of a home, making its authority at the first start. One process at a time may. */
export async function openPki({ home, clock }: PkiOptions): Promise<Pki> {
  const folder = path.join(home, 'pki');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const at = (name: string): string => path.join(folder, `${name}.pem`);
  const authority = await openAuthority(at('ca'), clock);
  return {
    authority: authority.certificate,
    server: async (names) =>
      await openLeaf(at('apiserver'), authority, clock, {
        subject: { commonName: 'kube-apiserver' },
        use: 'server',
        names,
      }),
    service: async (file, names) =>
      await openLeaf(at(file), authority, clock, {
        subject: { commonName: file },
        use: 'server',
        names,
      }),
    client: async (file, subject) =>
      await openLeaf(at(file), authority, clock, { subject, use: 'client' }),
    tokenKey: async () => {
      const file = at('service-account');
      const existing = await readText(file);
      if (existing !== undefined) return existing;
      const key = makeKey();
      await writeFileAtomic(file, key);
      return key;
    },
  };
}

/** An authority is never replaced by itself: everything it signed would be worthless. */
async function openAuthority(file: string, clock: Clock): Promise<KeyPair> {
  const existing = await readKeyPair(file);
  if (existing) {
    const certificate = new X509Certificate(existing.certificate);
    if (!certificate.ca) throw unreadable(file, 'its certificate is no authority');
    if (certificate.validToDate <= clock.now()) {
      throw unreadable(file, `it ended on ${certificate.validTo}`);
    }
    return existing;
  }
  const authority = makeCertificate({
    subject: { commonName: 'knode' },
    use: 'authority',
    now: clock.now(),
    lifetimeMs: AUTHORITY_LIFETIME_MS,
  });
  await writeFileAtomic(file, keyPairText(authority));
  return authority;
}

interface Leaf {
  readonly subject: Subject;
  readonly use: 'server' | 'client';
  readonly names?: readonly string[];
}

async function openLeaf(
  file: string,
  authority: KeyPair,
  clock: Clock,
  leaf: Leaf,
): Promise<KeyPair> {
  const now = clock.now();
  const existing = await readKeyPair(file);
  if (existing && isFit(new X509Certificate(existing.certificate), { authority, now, leaf })) {
    return existing;
  }
  const made = makeCertificate({ ...leaf, now, lifetimeMs: LEAF_LIFETIME_MS, issuer: authority });
  await writeFileAtomic(file, keyPairText(made));
  return made;
}

function isFit(
  certificate: X509Certificate,
  wanted: { readonly authority: KeyPair; readonly now: Date; readonly leaf: Leaf },
): boolean {
  const { authority, now, leaf } = wanted;
  const names = leaf.names ?? [];
  return (
    certificate.verify(createPublicKey(authority.certificate)) &&
    certificate.validToDate.getTime() - now.getTime() > RENEWED_BEFORE_MS &&
    certificate.subject === subjectText(leaf.subject) &&
    (certificate.subjectAltName?.split(', ').length ?? 0) === names.length &&
    names.every((name) =>
      isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name),
    )
  );
}

/** As node:crypto prints a subject: a line for each part. */
function subjectText({ commonName, organizations = [] }: Subject): string {
  return [...organizations.map((value) => `O=${value}`), `CN=${commonName}`].join('\n');
}
