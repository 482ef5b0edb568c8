import assert from 'node:assert/strict';
import { uniqueName, type ClusterUnderTest } from './cluster-under-test.ts';
import { at, type WireClient } from './wire.ts';

/** Two namespaces; in the first an administrator of it, and somebody who may do nothing; in the second something to steal. */
export interface TwoTenants {
  readonly own: string;
  readonly other: string;
  /** The service account `robot` of `own`, bound to ClusterRole admin there. */
  readonly robot: WireClient;
  readonly robotName: string;
  /** The service account `stranger` of `own`, without any role. */
  readonly stranger: WireClient;
  /** Stands in every secret of `other`, and nowhere else. */
  readonly canary: string;
}

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

export async function twoTenants(cluster: ClusterUnderTest): Promise<TwoTenants> {
  const [own, other] = [await cluster.namespace(), await cluster.namespace()];
  const canary = uniqueName('canary');
  const make = async (target: string, body: object): Promise<unknown> => {
    const reply = await cluster.send('POST', target, body);
    assert.equal(reply.status, 201, `${target}: ${JSON.stringify(reply.body)}`);
    return reply.body;
  };
  const clientOf = async (name: string): Promise<WireClient> => {
    const accounts = `/api/v1/namespaces/${own}/serviceaccounts`;
    await make(accounts, { metadata: { name } });
    return cluster.as(String(at(await make(`${accounts}/${name}/token`, {}), 'status.token')));
  };
  const [robot, stranger] = [await clientOf('robot'), await clientOf('stranger')];
  await make(`${RBAC}/namespaces/${own}/rolebindings`, {
    metadata: { name: 'admins' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'admin' },
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: own }],
  });
  for (const name of ['there', 'robot']) {
    await make(`/api/v1/namespaces/${other}/secrets`, {
      metadata: { name, labels: { canary }, annotations: { canary } },
      stringData: { canary },
    });
  }
  const robotName = `system:serviceaccount:${own}:robot`;
  return { own, other, robot, robotName, stranger, canary };
}
