import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { ClusterUnderTest } from '#test/support/cluster-under-test.ts';
import { servingUnderTest } from '#test/support/serving-under-test.ts';
import { at } from '#test/support/wire.ts';

const SYSTEM = '/api/v1/namespaces/knative-serving';
const NETWORKING = '/apis/networking.internal.knative.dev/v1alpha1';
const merge = { headers: { 'content-type': 'application/merge-patch+json' } };

async function say(cluster: ClusterUnderTest, data: object): Promise<void> {
  const path = `${SYSTEM}/configmaps/config-network`;
  const { status, body } = await cluster.send('PATCH', path, { data }, merge);
  assert.equal(status, 200, JSON.stringify(body));
}

/** What is there once `isSo`; others work on it meanwhile. */
async function until(
  cluster: ClusterUnderTest,
  path: string,
  isSo: (body: unknown) => boolean,
): Promise<unknown> {
  const late = AbortSignal.timeout(20_000);
  for (;;) {
    const { status, body } = await cluster.send('GET', path);
    if (status === 200 && isSo(body)) return body;
    assert.ok(!late.aborted, `${path} does not become so: ${JSON.stringify(body)}`);
  }
}

function isReady(body: unknown): boolean {
  const conditions = at(body, 'status.conditions') as
    | { type: string; status: string }[]
    | undefined;
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

test('serving certificates: a mapped domain has one, in a Secret, which its Ingress names', async () => {
  const cluster = await servingUnderTest();
  const namespace = await cluster.namespace();
  const name = `${namespace}.example.org`;
  await say(cluster, {
    'external-domain-tls': 'Enabled',
    'autocreate-cluster-domain-claims': 'true',
  });
  const core = `/api/v1/namespaces/${namespace}`;
  const target = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'target' },
    spec: { ports: [{ port: 80 }] },
  };
  assert.equal((await cluster.send('POST', `${core}/services`, target)).status, 201);
  const mappings = `/apis/serving.knative.dev/v1beta1/namespaces/${namespace}/domainmappings`;
  const mapping = {
    apiVersion: 'serving.knative.dev/v1beta1',
    kind: 'DomainMapping',
    metadata: { name },
    spec: { ref: { apiVersion: 'v1', kind: 'Service', name: 'target' } },
  };
  const made = await cluster.send('POST', mappings, mapping);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const path = `${NETWORKING}/namespaces/${namespace}/certificates/${name}`;
  const certificate = await until(cluster, path, isReady);
  const secret = (await cluster.send('GET', `${core}/secrets/${name}`)).body;
  assert.equal(at(secret, 'type'), 'kubernetes.io/tls');
  const data = at(secret, 'data') as Record<string, string>;
  const pem = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  const leaf = new X509Certificate(pem('tls.crt'));
  assert.equal(leaf.checkHost(name), name);
  assert.equal(Date.parse(String(at(certificate, 'status.notAfter'))), leaf.validToDate.getTime());
  const bundle = (await cluster.send('GET', `${SYSTEM}/configmaps/certificate-authority`)).body;
  const [authority] = Object.values(at(bundle, 'data') as Record<string, string>);
  assert.ok(leaf.verify(new X509Certificate(authority ?? '').publicKey));
  const ingress = `${NETWORKING}/namespaces/${namespace}/ingresses/${name}`;
  const tls = [{ hosts: [name], secretName: name, secretNamespace: namespace }];
  await until(
    cluster,
    ingress,
    (body) => JSON.stringify(at(body, 'spec.tls')) === JSON.stringify(tls),
  );
  // Its Secret is made anew where it is lost.
  assert.equal((await cluster.send('DELETE', `${core}/secrets/${name}`)).status, 200);
  await until(
    cluster,
    `${core}/secrets/${name}`,
    (body) => at(body, 'metadata.uid') !== at(secret, 'metadata.uid'),
  );
  await cluster.send('DELETE', `${mappings}/${name}`);
  await say(cluster, { 'external-domain-tls': null, 'autocreate-cluster-domain-claims': null });
});
