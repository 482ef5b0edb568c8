import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** The ECDSA P-256 key that service-account tokens are signed with (ES256), and how others know it. */
export interface TokenKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Names the key in a token's header and in the published key set. */
  readonly id: string;
}

/** Throws TypeError where `pem` is no P-256 private key. */
export function tokenKey(pem: string): TokenKey {
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TypeError('Cannot sign tokens with this key: an ECDSA P-256 private key is needed');
  }
  const publicKey = createPublicKey(privateKey);
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return { privateKey, publicKey, id: createHash('sha256').update(der).digest('base64url') };
}
