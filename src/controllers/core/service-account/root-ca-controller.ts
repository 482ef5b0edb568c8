import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { defineController, on, type Controller } from '#reconcile/controller.ts';

const NAME = 'kube-root-ca.crt';

/** Where Kubernetes says it, for whoever wonders what this is. */
const annotations = {
  'kubernetes.io/description':
    'The authority behind the certificate of the API server, as pods reach it (kubernetes.default.svc)',
};

/** Keeps in each namespace what a pod needs to trust the API server: the CA's certificate, in PEM. */
export function rootCaController(caPem: string): Controller<Namespace> {
  return defineController<Namespace>({
    kind: Namespace,
    watches: [
      on(ConfigMap, ({ metadata }) =>
        metadata.name === NAME ? [{ namespace: '', name: metadata.namespace ?? '' }] : [],
      ),
    ],
    async reconcile({ metadata }, { client }) {
      await client.apply(ConfigMap, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: NAME, namespace: metadata.name ?? '', annotations },
        data: { 'ca.crt': caPem },
      });
      return {};
    },
  });
}
