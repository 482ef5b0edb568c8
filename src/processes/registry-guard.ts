import { TokenReview } from '#api/authentication-v1/token-review.ts';
import { SubjectAccessReview } from '#api/authorization-v1/subject-access-review.ts';
import type { UserInfo } from '#api/generated/authentication-v1.ts';
import type { Client } from '#client/client.ts';
import type { RegistryGuard } from '#images/registry/registry-guard.ts';

/**
 * Service account tokens open the registry. A repository belongs to the namespace that its name begins with: accounts of
 * that namespace may pull from it, all else is for RBAC to allow, on `repositories` of `registry.knode.dev`.
 */
export function registryGuard(client: Client): RegistryGuard {
  return async (token, { verb, repository }) => {
    const user = token === undefined ? undefined : await whoHas(client, token);
    if (!user) return 'unauthorized';
    if (repository === undefined && verb === 'get') return 'granted';
    const [namespace, name] = splitRepository(repository);
    const isOwn =
      namespace !== '' && user.username?.startsWith(`system:serviceaccount:${namespace}:`);
    if (isOwn && verb === 'get') return 'granted';
    const review = await client.create(SubjectAccessReview, {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        user: user.username ?? '',
        groups: user.groups ?? [],
        resourceAttributes: {
          group: 'registry.knode.dev',
          resource: 'repositories',
          verb,
          namespace,
          name,
        },
      },
    });
    return review.status?.allowed ? 'granted' : 'denied';
  };
}

async function whoHas(client: Client, token: string): Promise<UserInfo | undefined> {
  const review = await client.create(TokenReview, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token },
  });
  return review.status?.authenticated ? review.status.user : undefined;
}

/** A name of one component belongs to no namespace. */
function splitRepository(repository = ''): readonly [string, string] {
  const slash = repository.indexOf('/');
  return [repository.slice(0, Math.max(0, slash)), repository.slice(slash + 1)];
}
