import { RegistryError } from './registry-error.ts';
import type { RegistryRequest } from './registry-exchange.ts';
import type { RegistryRoute } from './registry-route.ts';

/** What a request wants. `list` is of all repositories; without a repository, `get` only asks whether one is known. */
interface WantedAccess {
  readonly verb: 'get' | 'update' | 'list';
  readonly repository?: string;
}

/** Says whether who shows that token may do that. */
export type RegistryGuard = (
  token: string | undefined,
  wanted: WantedAccess,
) => Promise<'granted' | 'unauthorized' | 'denied'>;

/** Lets a request pass, or throws RegistryError `UNAUTHORIZED` or `DENIED`. */
export async function requireAccess(
  guard: RegistryGuard,
  request: RegistryRequest,
  route: RegistryRoute | undefined,
): Promise<void> {
  const wanted = wantedBy(request, route);
  const decision = await guard(tokenOf(request.headers['authorization']), wanted);
  if (decision === 'granted') return;
  if (decision === 'unauthorized')
    throw new RegistryError(
      'UNAUTHORIZED',
      'wanted a service account token, as bearer token or as the password of any user name',
      { headers: { 'www-authenticate': 'Basic realm="knode"' } },
    );
  const { verb, repository = 'all' } = wanted;
  throw new RegistryError(
    'DENIED',
    `${verb} of repository ${repository}: wanted a role with that verb on repositories of registry.knode.dev in the namespace that the name begins with`,
  );
}

function wantedBy({ method }: RegistryRequest, route: RegistryRoute | undefined): WantedAccess {
  if (route?.at === 'catalog') return { verb: 'list' };
  if (!route || route.at === 'base') return { verb: 'get' };
  const isRead = method === 'GET' || method === 'HEAD';
  // Whoever asks for the state of an upload is about to write.
  const isUpload = route.at === 'upload' || route.at === 'uploads';
  return { verb: isRead && !isUpload ? 'get' : 'update', repository: route.repository };
}

/** Container tools know passwords; programs in pods may send their token as it is. */
function tokenOf(authorization = ''): string | undefined {
  const [, scheme = '', value = ''] = /^(basic|bearer) +(\S+)$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return scheme !== '' && colon >= 0 ? text.slice(colon + 1) : undefined;
}
