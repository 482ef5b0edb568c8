import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** The ECDSA P-256 key that service-account tokens are signed with (ES256), and how others know it. */
export interface TokenKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Names the key in a token's header and in the published key set. */
  readonly id: string;
}

/** At least one: the first signs, all verify. */
export type TokenKeys = readonly [TokenKey, ...TokenKey[]];

const BLOCK = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g;

/**
 * The keys of a file: to change the key, put a new one before the others, and take an old one away when its tokens have
 * ended. Throws TypeError where it has none, or one is no P-256 private key.
 */
export function tokenKeys(pem: string): TokenKeys {
  const [first = pem, ...others] = pem.match(BLOCK) ?? [];
  return [tokenKey(first), ...others.map(tokenKey)];
}

function tokenKey(pem: string): TokenKey {
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TypeError('Cannot sign tokens with this key: an ECDSA P-256 private key is needed');
  }
  const publicKey = createPublicKey(privateKey);
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return { privateKey, publicKey, id: createHash('sha256').update(der).digest('base64url') };
}
