import type { TokenKey, TokenKeys } from '#apiserver/authentication/token-key.ts';
import type { Route } from '#apiserver/route.ts';

const CONFIGURATION = '/.well-known/openid-configuration';
const KEYS = '/openid/v1/jwks';
/** Keys change only with the platform's state folder; upstream lets others keep them as long. */
const CACHE = 'public, max-age=3600';

/** How others verify our service-account tokens: OpenID Connect Discovery 1.0 §4 and the key set (RFC 7517). */
export function oidcRoutes(options: {
  readonly keys: TokenKeys;
  readonly issuer: string;
  /** Where clients reach this server: `https://10.0.0.1:6443`. */
  readonly serverUrl: string;
}): readonly Route[] {
  const { keys, issuer, serverUrl } = options;
  const configuration = JSON.stringify({
    issuer,
    jwks_uri: `${serverUrl}${KEYS}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  });
  return [
    document(CONFIGURATION, 'application/json', configuration),
    document(KEYS, 'application/jwk-set+json', JSON.stringify({ keys: keys.map(jwkOf) })),
  ];
}

function jwkOf({ publicKey, id }: TokenKey): Record<string, unknown> {
  return { use: 'sig', ...publicKey.export({ format: 'jwk' }), kid: id, alg: 'ES256' };
}

function document(at: string, contentType: string, body: string): Route {
  const headers = { 'content-type': contentType, 'cache-control': CACHE };
  return {
    matches: (method, path) => method === 'GET' && (path === at || path === `${at}/`),
    handle: () => Promise.resolve({ status: 200, headers, body }),
  };
}
