import { Namespace } from '#api/core-v1/namespace.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { defineController, on } from '#reconcile/controller.ts';

const NAME = 'default';

/** Keeps in each namespace the account that pods run as when they name none. */
export const serviceAccountController = defineController<Namespace>({
  kind: Namespace,
  watches: [
    on(ServiceAccount, ({ metadata }) =>
      metadata.name === NAME ? [{ namespace: '', name: metadata.namespace ?? '' }] : [],
    ),
  ],
  async reconcile({ metadata }, { client }) {
    await client.apply(ServiceAccount, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: NAME, namespace: metadata.name ?? '' },
    });
    return {};
  },
});
