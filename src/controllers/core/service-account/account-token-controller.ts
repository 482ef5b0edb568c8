import { TokenRequest } from '#api/authentication-v1/token-request.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { apiVersionOf } from '#api/kind.ts';
import { defineController, on, type Context, type Controller } from '#reconcile/controller.ts';

const TYPE = 'kubernetes.io/service-account-token';
const ACCOUNT = 'kubernetes.io/service-account.name';
const ACCOUNT_UID = 'kubernetes.io/service-account.uid';
/** The longest that can be asked for, 136 years: such a token ends with its Secret. */
const LIFETIME_SECONDS = 2 ** 32;

/**
 * Fills Secrets that ask for a token of a service account, for programs outside of pods; removes them when the account is
 * gone, or another has its name.
 */
export function accountTokenController(caPem: string): Controller<Secret> {
  return defineController<Secret>({
    kind: Secret,
    watches: [
      on(ServiceAccount, ({ metadata: { namespace = '', name = '' } }, known) =>
        known
          .list(Secret, namespace)
          .filter((secret) => accountOf(secret) === name)
          .map(({ metadata }) => ({ namespace, name: metadata.name ?? '' })),
      ),
    ],
    async reconcile(secret, context) {
      const account = accountOf(secret);
      if (account === undefined) return {};
      const { namespace = '', name = '', uid = '', annotations = {} } = secret.metadata;
      const found = await context.live.get(ServiceAccount, { namespace, name: account });
      const ownUid = found?.metadata.uid;
      if (!ownUid || (annotations[ACCOUNT_UID] ?? ownUid) !== ownUid) {
        await context.client.delete(Secret, { namespace, name }, { preconditions: { uid } });
        return {};
      }
      const data = {
        'ca.crt': encoded(caPem),
        namespace: encoded(namespace),
        token: secret.data?.['token'] || encoded(await tokenFor(secret, account, context)),
      };
      const isFilled =
        annotations[ACCOUNT_UID] === ownUid &&
        Object.entries(data).every(([key, value]) => secret.data?.[key] === value);
      if (isFilled) return {};
      const metadata = { uid, annotations: { [ACCOUNT_UID]: ownUid } };
      await context.client.patch(
        Secret,
        { namespace, name },
        { metadata, data },
        { type: 'merge' },
      );
      return {};
    },
  });
}

function accountOf({ type, metadata }: Secret): string | undefined {
  return type === TYPE ? metadata.annotations?.[ACCOUNT] : undefined;
}

async function tokenFor(secret: Secret, account: string, { client }: Context): Promise<string> {
  const { namespace = '', name = '', uid = '' } = secret.metadata;
  const request: TokenRequest = {
    apiVersion: apiVersionOf(TokenRequest),
    kind: TokenRequest.kind,
    metadata: {},
    spec: {
      audiences: [],
      expirationSeconds: LIFETIME_SECONDS,
      boundObjectRef: { apiVersion: apiVersionOf(Secret), kind: Secret.kind, name, uid },
    },
  };
  const ref = { namespace, name: account, subresource: 'token' };
  const reply = await client.createSubresource(ServiceAccount, ref, request);
  return reply.status?.token ?? '';
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64');
}
