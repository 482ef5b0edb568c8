import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import {
  bitString,
  boolean,
  context,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts';

/** Clocks of containers and virtual machines may lag behind ours. */
const BACKDATED_MS = 5 * 60 * 1000;
const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));

/** A certificate with its private key, both PEM, as TLS wants them. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface Subject {
  /** Of a client: who it is. At most 64 characters (RFC 5280, appendix A.1). */
  readonly commonName: string;
  /** Of a client: the groups it is in. */
  readonly organizations?: readonly string[];
}

export interface CertificateWish {
  readonly subject: Subject;
  readonly use: 'authority' | 'server' | 'client';
  /** A server's DNS names and IP addresses. */
  readonly names?: readonly string[];
  readonly now: Date;
  readonly lifetimeMs: number;
  /** Who signs; itself where absent. */
  readonly issuer?: KeyPair;
}

/** Makes an ECDSA P-256 key and an X.509 v3 certificate of it (RFC 5280). */
export function makeCertificate(wish: CertificateWish): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signingKey = wish.issuer ? createPrivateKey(wish.issuer.key) : privateKey;
  const subject = name(wish.subject);
  const body = sequence(
    context(0, 'constructed', integer(2)),
    // 20 bytes at most and not zero (§4.1.2.2); random, so that nobody need count.
    integer(randomBytes(16)),
    ECDSA_WITH_SHA256,
    wish.issuer ? subjectOf(wish.issuer) : subject,
    sequence(
      time(new Date(wish.now.getTime() - BACKDATED_MS)),
      time(new Date(wish.now.getTime() + wish.lifetimeMs)),
    ),
    subject,
    spki(publicKey),
    context(3, 'constructed', extensions(wish, publicKey, signingKey)),
  );
  const signature = sign('sha256', body, signingKey);
  const certificate = sequence(body, ECDSA_WITH_SHA256, bitString(signature));
  return {
    certificate: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** A request for a certificate of `key` (PEM) for `names`, DER (RFC 2986). Without a subject: nobody reads those any more. */
export function makeSigningRequest({
  key,
  names,
}: {
  readonly key: string;
  readonly names: readonly string[];
}): Buffer {
  const privateKey = createPrivateKey(key);
  // §4.1, and RFC 2985 §5.4.2: the extensions that are asked for.
  const asked = sequence(extension('2.5.29.17', sequence(...names.map(generalName))));
  const attribute = sequence(objectIdentifier('1.2.840.113549.1.9.14'), set(asked));
  const body = sequence(
    integer(0),
    sequence(),
    spki(createPublicKey(privateKey)),
    context(0, 'constructed', attribute),
  );
  return sequence(body, ECDSA_WITH_SHA256, bitString(sign('sha256', body, privateKey)));
}

/** A private key alone, PEM (PKCS #8). */
export function makeKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function name({ commonName, organizations = [] }: Subject): Buffer {
  const attribute = (type: string, value: string): Buffer =>
    set(sequence(objectIdentifier(type), utf8String(value)));
  return sequence(
    ...organizations.map((organization) => attribute('2.5.4.10', organization)),
    attribute('2.5.4.3', commonName),
  );
}

/** The issuer's subject, byte for byte: chains are built by comparing them (§7.1). All of ours have a CN alone. */
function subjectOf(pair: KeyPair): Buffer {
  const { subject } = new X509Certificate(pair.certificate);
  return name({ commonName: subject.replace(/^CN=/, '') });
}

function extensions(wish: CertificateWish, own: KeyObject, signer: KeyObject): Buffer {
  const isAuthority = wish.use === 'authority';
  // §4.2.1.3, counted from the first bit: digitalSignature 0, keyCertSign 5, cRLSign 6.
  const usage = isAuthority
    ? bitString(Buffer.from([0b1000_0110]), 1)
    : bitString(Buffer.from([0x80]), 7);
  const found = [
    critical('2.5.29.19', sequence(...(isAuthority ? [boolean('true')] : []))),
    critical('2.5.29.15', usage),
    extension('2.5.29.14', octetString(keyIdentifier(own))),
    extension(
      '2.5.29.35',
      sequence(context(0, 'primitive', keyIdentifier(createPublicKey(signer)))),
    ),
  ];
  if (!isAuthority) {
    // §4.2.1.12: serverAuth, clientAuth.
    const purpose = wish.use === 'server' ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2';
    found.push(extension('2.5.29.37', sequence(objectIdentifier(purpose))));
  }
  if (wish.names?.length) {
    found.push(extension('2.5.29.17', sequence(...wish.names.map(generalName))));
  }
  return sequence(...found);
}

function extension(type: string, value: Uint8Array): Buffer {
  return sequence(objectIdentifier(type), octetString(value));
}

function critical(type: string, value: Uint8Array): Buffer {
  return sequence(objectIdentifier(type), boolean('true'), octetString(value));
}

/** §4.2.1.6: dNSName is [2], iPAddress is [7]. */
function generalName(value: string): Buffer {
  if (isIP(value) === 0) return context(2, 'primitive', Buffer.from(value, 'latin1'));
  return context(7, 'primitive', addressBytes(value));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // Spelled out first: `::1` and `fd00::a` are eight groups of 16 bits.
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** The first of RFC 5280 §4.2.1.2's ways, over the whole SubjectPublicKeyInfo: any is allowed, it must only be constant. */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha1').update(spki(key)).digest();
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
