import type { ServiceAccountTokens } from '#apiserver/authentication/service-account-tokens.ts';
import type { Authenticator, ClientCertificate, User } from '#apiserver/user.ts';

const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/**
 * Says who sent a request: by the client certificate, else by the bearer token. Who shows nothing is anonymous; who shows
 * a token that is not valid is nobody (undefined), and is to be refused.
 */
export function authenticator(tokens: ServiceAccountTokens): Authenticator {
  return async (request, certificate) => {
    if (certificate && certificate.commonName !== '') return certificateUser(certificate);
    const token = bearerToken(request.headers['authorization']);
    if (token === undefined) return anonymous;
    return (await tokens.verify(token))?.user;
  };
}

function certificateUser({ commonName, organizations }: ClientCertificate): User {
  return { name: commonName, groups: [...new Set([...organizations, 'system:authenticated'])] };
}

/** RFC 6750 §2.1; the scheme's name is case-insensitive. */
function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +(?<token>\S+) *$/i.exec(authorization ?? '')?.groups?.['token'];
}
