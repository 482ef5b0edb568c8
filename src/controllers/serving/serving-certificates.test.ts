import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Event } from '#api/core-v1/event.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { conditionOf } from '#api/meta/conditions.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { without } from '#controllers/serving/ensure-owned.ts';
import {
  conditionsOf,
  hello,
  namespace,
  say,
  servingStage,
  summary,
  type ServingStage,
  type ServingStageOptions,
} from '#test/support/serving-stage.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const SYSTEM = 'knative-serving';
const AUTHORITY = { namespace: SYSTEM, name: 'certificate-authority' };

async function stage(
  network: Record<string, string>,
  options: ServingStageOptions = {},
): Promise<ServingStage> {
  const on = await servingStage(options);
  await on.cluster.client.create(Namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: SYSTEM },
  });
  say(on, 'config-network', network);
  return on;
}

async function leafOf({ cluster }: ServingStage, name: string): Promise<X509Certificate> {
  const secret = await cluster.client.get(Secret, { namespace, name });
  return new X509Certificate(Buffer.from(secret?.data?.['tls.crt'] ?? '', 'base64'));
}

async function certificates({ cluster }: ServingStage): Promise<readonly Certificate[]> {
  return (await cluster.client.list(Certificate, { namespace })).items;
}

/** As if that many days had gone by, and whoever waited for one of them had been called. */
async function later({ clock, cluster }: ServingStage, days: number): Promise<void> {
  clock.jump(days * DAY_MS);
  cluster.running.enqueueAll();
  await cluster.settled();
}

/** The type, reason and message of Events about objects of a kind, or just the one of that name, sorted. */
async function eventsAbout(
  { cluster }: ServingStage,
  kind: string,
  name?: string,
): Promise<readonly string[]> {
  return (await cluster.client.list(Event)).items
    .filter(
      ({ involvedObject: about }) => about.kind === kind && about.name === (name ?? about.name),
    )
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`)
    .toSorted();
}

async function routeOf({ cluster }: ServingStage): Promise<Route | undefined> {
  return await cluster.client.get(Route, { namespace, name: 'hello' });
}

test('certificates: hosts outside get their own, the authority is told, and URLs begin with https', async () => {
  await using on = await stage({ 'external-domain-tls': 'Enabled' });
  const { client } = on.cluster;
  await client.create(
    Service,
    hello({
      traffic: '[{ latestRevision: true, percent: 100 }, { latestRevision: true, tag: next }]',
    }),
  );
  await on.play();
  const route = await routeOf(on);
  const name = `route-${route?.metadata.uid}`;
  const hosts = {
    [name]: 'hello.default.localhost',
    [`${name}-72286656`]: 'next-hello.default.localhost',
  };
  const found = await certificates(on);
  assert.deepEqual(
    Object.fromEntries(found.map(({ metadata, spec }) => [metadata.name, spec.dnsNames?.join()])),
    hosts,
  );
  const own = found.find(({ metadata }) => metadata.name === name);
  assert.deepEqual(own?.metadata.labels, {
    [servingKeys.route]: 'hello',
    [networkingKeys.certificateType]: 'external-domain',
  });
  assert.equal(own?.metadata.ownerReferences?.[0]?.uid, route?.metadata.uid);
  assert.deepEqual(own?.spec, {
    dnsNames: ['hello.default.localhost'],
    domain: 'localhost',
    secretName: name,
  });
  const authority = (await client.get(ConfigMap, AUTHORITY))?.data?.['ca.crt'] ?? '';
  const leaf = await leafOf(on, name);
  assert.ok(leaf.checkIssued(new X509Certificate(authority)));
  assert.ok(leaf.verify(new X509Certificate(authority).publicKey));
  assert.equal(leaf.checkHost('hello.default.localhost'), 'hello.default.localhost');
  assert.equal(leaf.checkHost('next-hello.default.localhost'), undefined);
  assert.equal(own?.status?.notAfter, '2026-04-01T00:00:00Z');
  assert.deepEqual(summary(own?.status?.conditions), { Ready: 'True' });
  assert.equal(route?.status?.url, 'https://hello.default.localhost:8443');
  assert.equal(route?.status?.traffic?.[1]?.url, 'https://next-hello.default.localhost:8443');
  assert.equal(route?.status?.address?.url, 'http://hello.default.svc.cluster.local');
  assert.equal((await conditionsOf(on.cluster, Route, 'hello'))['CertificateProvisioned'], 'True');
  const ingress = await client.get(Ingress, { namespace, name: 'hello' });
  assert.equal(ingress?.spec.httpOption, 'Enabled');
  assert.deepEqual(
    ingress?.spec.tls,
    Object.entries(hosts).map(([secretName, host]) => ({
      hosts: [host],
      secretName,
      secretNamespace: namespace,
    })),
  );
  await on.cluster.steady();
  // A tag that goes takes its certificate along.
  const service = await client.get(Service, { namespace, name: 'hello' });
  assert.ok(service);
  await client.update(Service, {
    ...service,
    spec: { ...service.spec, traffic: [{ latestRevision: true, percent: 100 }] },
  });
  await on.play();
  assert.deepEqual(
    (await certificates(on)).map(({ metadata }) => metadata.name),
    [name],
  );
  assert.equal(await client.get(Secret, { namespace, name: `${name}-72286656` }), undefined);
  const orphan = `${namespace}/${name}-72286656`;
  assert.deepEqual(await eventsAbout(on, 'Certificate', `${name}-72286656`), [
    `Normal Deleted: Deleted orphaned Knative Certificate ${orphan}`,
  ]);
  const ofRoute = await eventsAbout(on, 'Route');
  assert.ok(ofRoute.includes(`Normal Created: Created Certificate ${orphan}`));
  assert.ok(!ofRoute.some((event) => event.includes('Deleted')));
});

test('certificates: one of a tag that is gone, and cannot be deleted, is told, tried again, and in nobody’s way', async () => {
  let isRefused = true;
  const refusal = new ApiError('Forbidden', 'not today');
  await using on = await stage(
    { 'external-domain-tls': 'Enabled' },
    { refuseDeletion: ({ kind }) => (isRefused && kind === 'Certificate' ? refusal : undefined) },
  );
  const { client } = on.cluster;
  await client.create(
    Service,
    hello({
      traffic: '[{ latestRevision: true, percent: 100 }, { latestRevision: true, tag: next }]',
    }),
  );
  await on.play();
  const service = await client.get(Service, { namespace, name: 'hello' });
  assert.ok(service);
  const traffic = [{ latestRevision: true, percent: 100 }];
  await client.update(Service, { ...service, spec: { ...service.spec, traffic } });
  await on.play();
  const orphan = `route-${(await routeOf(on))?.metadata.uid}-72286656`;
  assert.deepEqual(await eventsAbout(on, 'Certificate', orphan), [
    `Normal DeleteFailed: Failed to delete orphaned Knative Certificate ${namespace}/${orphan}: not today`,
  ]);
  const failures = (await eventsAbout(on, 'Route')).filter((event) => event.startsWith('Warning'));
  assert.deepEqual(failures, []);
  assert.equal((await conditionsOf(on.cluster, Route, 'hello'))['Ready'], 'True');
  isRefused = false;
  await on.cluster.advance(60_000);
  assert.equal(await client.get(Certificate, { namespace, name: orphan }), undefined);
  await on.cluster.steady();
});

test('certificates: one is renewed a third of its life before its end, and made anew where it was lost', async () => {
  await using on = await stage({ 'external-domain-tls': 'Enabled' });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const name = `route-${(await routeOf(on))?.metadata.uid}`;
  const first = await leafOf(on, name);
  await later(on, 59);
  assert.equal((await leafOf(on, name)).serialNumber, first.serialNumber);
  await later(on, 2);
  const second = await leafOf(on, name);
  assert.notEqual(second.serialNumber, first.serialNumber);
  const [certificate] = await certificates(on);
  assert.equal(Date.parse(certificate?.status?.notAfter ?? ''), second.validToDate.getTime());
  assert.deepEqual(summary(certificate?.status?.conditions), { Ready: 'True' });
  await client.delete(Secret, { namespace, name });
  await on.play();
  const third = await leafOf(on, name);
  const secret = await client.get(Secret, { namespace, name });
  assert.ok(secret);
  await client.update(Secret, { ...secret, data: { ...secret.data, 'tls.crt': 'bm9uZQ==' } });
  await on.play();
  assert.notEqual((await leafOf(on, name)).serialNumber, third.serialNumber);
  await on.cluster.steady();
});

test('certificates: an authority near its end is replaced, and both are trusted until then', async () => {
  await using on = await stage({ 'external-domain-tls': 'Enabled' });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const bundle = async (): Promise<X509Certificate[]> => {
    const text = (await client.get(ConfigMap, AUTHORITY))?.data?.['ca.crt'] ?? '';
    return text
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .filter(Boolean)
      .map((block) => new X509Certificate(block));
  };
  const [before] = await bundle();
  await later(on, 3300);
  const [after, ...others] = await bundle();
  assert.notEqual(after?.fingerprint256, before?.fingerprint256);
  assert.deepEqual(
    others.map(({ fingerprint256 }) => fingerprint256),
    [before?.fingerprint256],
  );
  const leaf = await leafOf(on, `route-${(await routeOf(on))?.metadata.uid}`);
  assert.ok(after && leaf.verify(after.publicKey));
  await on.cluster.steady();
});

test('certificates: what cannot be provided is said, and http goes on where the cluster lets it', async () => {
  await using on = await stage({ 'external-domain-tls': 'Enabled' });
  const { client } = on.cluster;
  const data = { 'tls.crt': 'bm9uZQ==', 'tls.key': 'bm9uZQ==' };
  await client.create(Secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...AUTHORITY },
    type: 'kubernetes.io/tls',
    data,
  });
  await client.create(Service, hello());
  await on.play();
  const [certificate] = await certificates(on);
  assert.ok(certificate);
  assert.deepEqual(summary(certificate.status?.conditions), { Ready: 'False AuthorityUnusable' });
  assert.match(
    conditionOf(certificate, 'Ready')?.message ?? '',
    /^Secret knative-serving\/certificate-authority cannot sign: .*; put back what was in it/,
  );
  const { name = '' } = certificate.metadata;
  const provisioned = async () =>
    conditionOf((await routeOf(on)) ?? hello(), 'CertificateProvisioned');
  const downgraded = await provisioned();
  assert.deepEqual(
    [downgraded?.status, downgraded?.reason, downgraded?.message],
    ['True', 'HTTPDowngrade', `Certificate ${name} is not ready downgrade HTTP.`],
  );
  assert.equal((await routeOf(on))?.status?.url, 'http://hello.default.localhost:8080');
  say(on, 'config-network', { 'external-domain-tls': 'Enabled', 'http-protocol': 'Redirected' });
  await on.play();
  const failed = await provisioned();
  assert.deepEqual(
    [failed?.status, failed?.reason, failed?.message],
    [
      'False',
      'CertificateProvisionFailed',
      `Certificate ${name} fails to be provisioned: AuthorityUnusable`,
    ],
  );
  assert.equal((await routeOf(on))?.status?.url, 'https://hello.default.localhost:8443');
  assert.equal(
    (await client.get(Ingress, { namespace, name: 'hello' }))?.spec.httpOption,
    'Redirected',
  );
  await client.delete(Secret, AUTHORITY);
  say(on, 'config-network', {
    'external-domain-tls': 'Enabled',
    'http-protocol': 'Redirected',
    'rollout-duration': '0',
  });
  await on.play();
  assert.equal((await conditionsOf(on.cluster, Route, 'hello'))['Ready'], 'True');
  await on.cluster.steady();
});

test('certificates: one that is on its way, and one whose name is taken, are told on a Route', async () => {
  await using on = await stage({
    'external-domain-tls': 'Enabled',
    'http-protocol': 'Redirected',
    'certificate-class': 'somebody-else.example.com',
  });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const [certificate] = await certificates(on);
  assert.ok(certificate);
  const { name = '' } = certificate.metadata;
  const provisioned = async (): Promise<string> => {
    const said = conditionOf((await routeOf(on)) ?? hello(), 'CertificateProvisioned');
    return `${said?.status} ${said?.reason}: ${said?.message}`;
  };
  const notReady = `Unknown CertificateNotReady: Certificate ${name} is not ready: `;
  assert.equal(await provisioned(), notReady);
  const conditions = [{ type: 'Ready', status: 'Unknown', reason: 'Asked' }] as const;
  await client.updateStatus(Certificate, {
    ...certificate,
    status: { conditions: [...conditions] },
  });
  await on.play();
  assert.equal(await provisioned(), `${notReady}Asked`);
  const { status, reason } = conditionOf((await routeOf(on)) ?? hello(), 'Ready') ?? {};
  assert.deepEqual([status, reason], ['Unknown', 'CertificateNotReady']);
  const told = async (): Promise<string[]> => {
    const { items } = await client.list(Event, { namespace });
    return items
      .filter(({ message = '' }) => message.includes(name))
      .map((each) => each.message ?? '');
  };
  assert.deepEqual(await told(), [`Created Certificate ${namespace}/${name}`]);
  // Somebody takes it over.
  const { ownerReferences: _, ...metadata } =
    (await client.get(Certificate, { namespace, name }))?.metadata ?? assert.fail();
  await client.update(Certificate, { ...certificate, metadata });
  await on.play();
  assert.equal(
    await provisioned(),
    `False CertificateNotOwned: There is an existing certificate ${name} that we don't own.`,
  );
  const complaint = `owner: hello with Type *v1.Route does not own Certificate: "${name}"`;
  assert.ok((await told()).includes(complaint));
  await client.delete(Certificate, { namespace, name });
  await on.play();
  assert.equal(await provisioned(), notReady);
});

test('certificates: a Route may do without, and one that is only for the cluster needs none', async () => {
  await using on = await stage({ 'external-domain-tls': 'Enabled' });
  const { client } = on.cluster;
  const service = hello();
  const annotations = {
    'networking.knative.dev/disable-external-domain-tls': 'true',
    'networking.knative.dev/http-protocol': 'Redirected',
  };
  await client.create(Service, { ...service, metadata: { ...service.metadata, annotations } });
  await on.play();
  assert.deepEqual(await certificates(on), []);
  const said = async () => {
    const condition = conditionOf((await routeOf(on)) ?? service, 'CertificateProvisioned');
    return [condition?.status, condition?.reason, condition?.message];
  };
  assert.deepEqual(await said(), ['True', 'TLSNotEnabled', 'external-domain-tls is not enabled']);
  const ingress = await client.get(Ingress, { namespace, name: 'hello' });
  assert.equal(ingress?.spec.httpOption, 'Redirected');
  const current = await client.get(Service, { namespace, name: 'hello' });
  assert.ok(current);
  const labels = { ...current.metadata.labels, [networkingKeys.visibility]: 'cluster-local' };
  const kept = without(current.metadata.annotations, Object.keys(annotations));
  await client.update(Service, {
    ...current,
    metadata: { ...current.metadata, labels, annotations: kept },
  });
  await on.play();
  assert.deepEqual(await said(), ['True', 'TLSNotEnabled', 'TLS is not enabled for cluster-local']);
  await on.cluster.steady();
});

test('certificates: names inside the cluster have one where the cluster says so', async () => {
  await using on = await stage({ 'cluster-local-domain-tls': 'Enabled' });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const route = await routeOf(on);
  const name = `route-${route?.metadata.uid}-local`;
  const names = ['hello.default', 'hello.default.svc', 'hello.default.svc.cluster.local'];
  const [certificate, ...others] = await certificates(on);
  assert.deepEqual(others, []);
  assert.equal(certificate?.metadata.name, name);
  assert.deepEqual(certificate?.spec, {
    dnsNames: names,
    domain: 'svc.cluster.local',
    secretName: name,
  });
  assert.equal(
    certificate?.metadata.labels?.[networkingKeys.certificateType],
    'cluster-local-domain',
  );
  for (const host of names) assert.equal((await leafOf(on, name)).checkHost(host), host);
  assert.equal(route?.status?.url, 'http://hello.default.localhost:8080');
  assert.equal(route?.status?.address?.url, 'https://hello.default.svc.cluster.local');
  assert.equal((await conditionsOf(on.cluster, Route, 'hello'))['CertificateProvisioned'], 'True');
  const ingress = await client.get(Ingress, { namespace, name: 'hello' });
  assert.deepEqual(ingress?.spec.tls, [
    { hosts: names, secretName: name, secretNamespace: namespace },
  ]);
  await on.cluster.steady();
});

test('certificates: those of another class, and Secrets of others, are left alone', async () => {
  await using on = await stage({
    'external-domain-tls': 'Enabled',
    'certificate-class': 'cert-manager.certificate.networking.knative.dev',
  });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const [certificate] = await certificates(on);
  assert.equal(certificate?.status, undefined);
  assert.equal(
    (await conditionsOf(on.cluster, Route, 'hello'))['CertificateProvisioned'],
    'True HTTPDowngrade',
  );
  const taken = { namespace, name: 'taken' };
  await client.create(Secret, { apiVersion: 'v1', kind: 'Secret', metadata: { ...taken } });
  await client.create(Certificate, {
    apiVersion: 'networking.internal.knative.dev/v1alpha1',
    kind: 'Certificate',
    metadata: {
      ...taken,
      annotations: {
        [networkingKeys.certificateClass]: 'knode.certificate.networking.knative.dev',
      },
    },
    spec: { dnsNames: ['a.example.com'], secretName: 'taken' },
  });
  await on.play();
  const found = await client.get(Certificate, taken);
  assert.deepEqual(summary(found?.status?.conditions), { Ready: 'False NotOwned' });
  await on.cluster.steady();
});

test('certificates: a namespace that is selected has one for all its hosts', async () => {
  const selector = 'matchExpressions: [{ key: wildcard, operator: In, values: ["yes"] }]';
  await using on = await stage({
    'external-domain-tls': 'Enabled',
    'namespace-wildcard-cert-selector': selector,
  });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const own = `route-${(await routeOf(on))?.metadata.uid}`;
  const names = async () => (await certificates(on)).map(({ metadata }) => metadata.name);
  assert.deepEqual(await names(), [own]);
  await client.patch(
    Namespace,
    { name: namespace },
    { metadata: { labels: { wildcard: 'yes' } } },
    { type: 'merge' },
  );
  await on.play();
  // What is there already stays until its Route goes: a certificate costs nothing to keep.
  const wildcard = await client.get(Certificate, { namespace, name: 'default.localhost' });
  assert.deepEqual(wildcard?.spec, {
    dnsNames: ['*.default.localhost'],
    domain: 'localhost',
    secretName: 'default.localhost',
  });
  assert.deepEqual(wildcard.metadata.labels, { [networkingKeys.wildcardDomain]: 'localhost' });
  assert.deepEqual(await names(), ['default.localhost', own]);
  const ingress = await client.get(Ingress, { namespace, name: 'hello' });
  assert.deepEqual(ingress?.spec.tls, [
    {
      hosts: ['hello.default.localhost'],
      secretName: 'default.localhost',
      secretNamespace: namespace,
    },
  ]);
  assert.equal(
    (await leafOf(on, 'default.localhost')).checkHost('hello.default.localhost'),
    '*.default.localhost',
  );
  await on.cluster.steady();
  await client.patch(
    Namespace,
    { name: namespace },
    { metadata: { labels: { wildcard: null } } },
    { type: 'merge' },
  );
  await on.play();
  assert.deepEqual(await names(), [own]);
  assert.equal((await routeOf(on))?.status?.url, 'https://hello.default.localhost:8443');
  const called = 'Knative Certificate default/default.localhost';
  assert.deepEqual(await eventsAbout(on, 'Certificate', 'default.localhost'), [
    `Normal Created: Created ${called}`,
    `Normal Deleted: Deleted ${called}`,
  ]);
  assert.deepEqual(await eventsAbout(on, 'Namespace'), []);
  await on.cluster.steady();
});

test('certificates: one of a namespace that cannot be made, or deleted, is told', async () => {
  const refused = new Set(['creation', 'deletion']);
  const refusal = new ApiError('Forbidden', 'not today');
  const isWildcard = ({ kind, metadata }: KubeObject): boolean =>
    kind === 'Certificate' && metadata.name === 'default.localhost';
  await using on = await stage(
    { 'external-domain-tls': 'Enabled', 'namespace-wildcard-cert-selector': 'matchLabels: {}' },
    {
      refuse: (object) => (refused.has('creation') && isWildcard(object) ? refusal : undefined),
      refuseDeletion: (object) =>
        refused.has('deletion') && isWildcard(object) ? refusal : undefined,
    },
  );
  const { client } = on.cluster;
  await on.play();
  assert.ok(
    (await eventsAbout(on, 'Namespace', namespace)).includes(
      'Warning CreationFailed: Failed to create Knative certificate default/default.localhost: not today',
    ),
  );
  refused.delete('creation');
  await on.cluster.advance(60_000);
  say(on, 'config-network', { 'external-domain-tls': 'Enabled' });
  await on.play();
  const called = 'Knative Certificate default/default.localhost';
  assert.deepEqual(await eventsAbout(on, 'Certificate', 'default.localhost'), [
    `Normal Created: Created ${called}`,
    `Normal DeleteFailed: Failed to delete ${called}: not today`,
  ]);
  refused.delete('deletion');
  await on.cluster.advance(60_000);
  const place = { namespace, name: 'default.localhost' };
  assert.equal(await client.get(Certificate, place), undefined);
});

test('certificates: what others ask of a host is answered there, before all else', async () => {
  await using on = await stage({
    'external-domain-tls': 'Enabled',
    'certificate-class': 'cert-manager.certificate.networking.knative.dev',
  });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const [certificate] = await certificates(on);
  assert.ok(certificate);
  const challenge = {
    url: 'http://hello.default.localhost/.well-known/acme-challenge/token',
    serviceName: 'solver',
    serviceNamespace: namespace,
    servicePort: 8089,
  };
  await client.updateStatus(Certificate, {
    ...certificate,
    status: { observedGeneration: 1, http01Challenges: [challenge] },
  });
  await on.play();
  const ingress = await client.get(Ingress, { namespace, name: 'hello' });
  const paths = Object.fromEntries(
    (ingress?.spec.rules ?? []).map(({ visibility, http }) => [
      visibility,
      http?.paths.map(({ path, splits }) => [path, splits[0]?.serviceName]),
    ]),
  );
  assert.deepEqual(paths, {
    ClusterLocal: [[undefined, 'hello-00001']],
    ExternalIP: [
      ['/.well-known/acme-challenge/token', 'solver'],
      [undefined, 'hello-00001'],
    ],
  });
});

test('certificates: an ACME server is asked for hosts that the world knows alone, and not again at once', async () => {
  await using on = await stage({ 'external-domain-tls': 'Enabled', 'http-protocol': 'Redirected' });
  const { client } = on.cluster;
  // Nobody listens there.
  say(on, 'config-certmanager', {
    'acme-directory': 'https://127.0.0.1:1/dir',
    'built-in-domains': 'corp.example.org',
  });
  await client.create(Service, hello());
  const made = async (name: string, dnsNames: string[]) =>
    await client.create(Certificate, {
      apiVersion: 'networking.internal.knative.dev/v1alpha1',
      kind: 'Certificate',
      metadata: { namespace, name },
      spec: { dnsNames, secretName: name },
    });
  await made('corp', ['a.corp.example.org']);
  await made('world', ['a.example.org']);
  await made('wild', ['*.example.org']);
  await made('wrong', ['a..b']);
  await on.play();
  const ready = async (name: string) => {
    const found = await client.get(Certificate, { namespace, name });
    return found && conditionOf(found, 'Ready');
  };
  assert.equal((await conditionsOf(on.cluster, Route, 'hello'))['CertificateProvisioned'], 'True');
  assert.equal((await ready('corp'))?.status, 'True');
  assert.equal((await ready('wild'))?.reason, 'WildcardNotProvable');
  assert.equal((await ready('wrong'))?.reason, 'InvalidDNSName');
  const said = await ready('world');
  assert.deepEqual([said?.status, said?.reason], ['False', 'ServerUnavailable']);
  const words = 'https://127.0.0.1:1 does not answer: connect ECONNREFUSED 127.0.0.1:1';
  assert.equal(said?.message, `${words}; tried again at 2026-01-01T00:00:30Z`);
  await on.cluster.steady();
  on.clock.jump(31_000);
  on.cluster.running.enqueueAll();
  await on.cluster.settled();
  assert.match((await ready('world'))?.message ?? '', /; tried again at 2026-01-01T00:02:01Z$/);
  const { items } = await client.list(Secret, {
    namespace,
    fieldSelector: 'type=knode.dev/acme-order',
  });
  assert.equal(items.length, 1);
  // The cluster signs for it again: nothing of the order is left.
  say(on, 'config-certmanager', {});
  await on.play();
  assert.equal((await ready('world'))?.status, 'True');
  assert.deepEqual(
    (await client.list(Secret, { namespace, fieldSelector: 'type=knode.dev/acme-order' })).items,
    [],
  );
  await on.cluster.steady();
});
