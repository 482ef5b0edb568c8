import { ApiError } from '#api/meta/api-error.ts';
import { serviceAccountUser } from '#apiserver/authentication/service-account-tokens.ts';
import { forbiddenRequest } from '#apiserver/authorization/forbidden-request.ts';
import type { Attributes, Authenticator, Authorizer, User } from '#apiserver/user.ts';

const EXTRA = 'impersonate-extra-';

/**
 * Lets a request act as the user its `Impersonate-*` headers name, where its sender may `impersonate` that user, each
 * group and each extra value. Throws Forbidden otherwise.
 */
export function withImpersonation(inner: Authenticator, authorizer: Authorizer): Authenticator {
  return async (request, certificate) => {
    const sender = await inner(request, certificate);
    const wish = sender && wishOf(request.headers);
    if (!wish) return sender;
    for (const resource of resourcesOf(wish)) {
      const attributes: Attributes = { user: sender, verb: 'impersonate', resource };
      const decision = await authorizer(attributes);
      if (!decision.allowed) throw forbiddenRequest(attributes, decision.reason);
    }
    return impersonated(wish);
  };
}

interface Wish {
  readonly name: string;
  readonly uid: string | undefined;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

function wishOf(headers: Readonly<Record<string, string>>): Wish | undefined {
  const wanted = Object.keys(headers).filter((header) => header.startsWith('impersonate-'));
  if (wanted.length === 0) return undefined;
  const name = headers['impersonate-user'];
  if (!name) {
    throw new ApiError('BadRequest', `requested ${wanted.join(', ')} without impersonating a user`);
  }
  const extra = wanted
    .filter((header) => header.startsWith(EXTRA))
    .map((header) => [parseKey(header.slice(EXTRA.length)), valuesOf(headers[header])] as const);
  return {
    name,
    uid: headers['impersonate-uid'],
    groups: valuesOf(headers['impersonate-group']),
    extra: Object.fromEntries(extra),
  };
}

/** A header that is sent several times arrives joined. A value with a comma in it becomes two, each of them checked. */
function valuesOf(header: string | undefined): string[] {
  return (header ?? '').split(',').flatMap((value) => value.trim() || []);
}

function parseKey(escaped: string): string {
  try {
    return decodeURIComponent(escaped);
  } catch (error) {
    if (error instanceof URIError) return escaped;
    throw error;
  }
}

type Resource = NonNullable<Attributes['resource']>;

function resourcesOf({ name, uid, groups, extra }: Wish): Resource[] {
  const own = { group: 'authentication.k8s.io', version: 'v1' };
  const account = parseServiceAccount(name);
  const who: Resource = account
    ? { group: '', version: 'v1', plural: 'serviceaccounts', ...account }
    : { group: '', version: 'v1', plural: 'users', name };
  return [
    who,
    ...(uid === undefined ? [] : [{ ...own, plural: 'uids', name: uid }]),
    ...groups.map((group) => ({ group: '', version: 'v1', plural: 'groups', name: group })),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((value) => ({ ...own, plural: 'userextras', subresource: key, name: value })),
    ),
  ];
}

function impersonated({ name, uid, groups, extra }: Wish): User {
  const account = parseServiceAccount(name);
  const implied = account ? serviceAccountUser(account.namespace, account.name).groups : [];
  const own = groups.length > 0 ? groups : implied;
  return {
    name,
    groups: [...new Set(withStanding(name, own))],
    ...(uid !== undefined && { uid }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

const [KNOWN, UNKNOWN] = ['system:authenticated', 'system:unauthenticated'];

/** Whoever says which of the two somebody is means it; only nobody is never known. */
function withStanding(name: string, groups: readonly string[]): readonly string[] {
  if (name === 'system:anonymous') return [...groups, UNKNOWN];
  return groups.includes(KNOWN) || groups.includes(UNKNOWN) ? groups : [...groups, KNOWN];
}

function parseServiceAccount(name: string): { namespace: string; name: string } | undefined {
  const match = /^system:serviceaccount:(?<namespace>[^:]+):(?<account>[^:]+)$/.exec(name);
  const { namespace, account } = match?.groups ?? {};
  return namespace !== undefined && account !== undefined
    ? { namespace, name: account }
    : undefined;
}
