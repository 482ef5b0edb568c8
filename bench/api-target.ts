import assert from 'node:assert/strict';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { at, wireClient, type WireClient } from '#test/support/wire.ts';

/** A Kubernetes API that is measured, ours or another. */
export interface ApiTarget extends AsyncDisposable {
  /** `https://127.0.0.1:6443` */
  readonly url: string;
  /** Of a service account that may do everything. */
  readonly token: string;
  readonly client: WireClient;
}

const NAMESPACE = 'default';
export const MAPS = `/api/v1/namespaces/${NAMESPACE}/configmaps`;

export async function apiTarget(kubeconfig: string): Promise<ApiTarget> {
  await using resources = new AsyncDisposableStack();
  const target = parseKubeconfig(kubeconfig);
  const client = wireClient(resources.use(httpsTransport(target)).send);
  const accounts = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`;
  await made(client, accounts, { metadata: { name: 'bench' } });
  await made(client, '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'bench' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name: 'bench', namespace: NAMESPACE }],
  });
  const reply = await made(client, `${accounts}/bench/token`, {});
  const owned = resources.move();
  return {
    url: target.server,
    token: String(at(reply, 'status.token')),
    client,
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

/** Creates it, and returns it as it is stored. */
export async function made(client: WireClient, target: string, object: object): Promise<unknown> {
  const { status, body } = await client.send('POST', target, object);
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}
