import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Event } from '#api/core-v1/event.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { ClusterDomainClaim } from '#api/networking-v1alpha1/cluster-domain-claim.ts';
import { conditionOf } from '#api/meta/conditions.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Service } from '#api/serving-v1/service.ts';
import { DomainMapping } from '#api/serving-v1beta1/domain-mapping.ts';
import { fixture } from '#test/support/fixture.ts';
import {
  hello,
  namespace,
  say,
  servingStage,
  summary,
  type ServingStage,
} from '#test/support/serving-stage.ts';

const name = 'shop.example.com';

function mapping(
  ref = '{ apiVersion: serving.knative.dev/v1, kind: Service, name: hello }',
): DomainMapping {
  return fixture<DomainMapping>(`
apiVersion: serving.knative.dev/v1beta1
kind: DomainMapping
metadata: { name: ${name}, namespace: default, annotations: { note: mine } }
spec: { ref: ${ref} }
`);
}

function claim(of: string): ClusterDomainClaim {
  return fixture<ClusterDomainClaim>(`
apiVersion: networking.internal.knative.dev/v1alpha1
kind: ClusterDomainClaim
metadata: { name: ${name} }
spec: { namespace: ${of} }
`);
}

async function standing({ cluster }: ServingStage): Promise<Record<string, string>> {
  const found = await cluster.client.get(DomainMapping, { namespace, name });
  return summary(found?.status?.conditions);
}

test('domains: a mapping waits for its claim, and then leads to its Service', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await client.create(DomainMapping, mapping());
  await on.play();
  assert.equal((await standing(on))['DomainClaimed'], 'False DomainAlreadyClaimed');
  const { items: events } = await client.list(Event, { namespace });
  const told = events.filter(({ involvedObject }) => involvedObject.kind === 'DomainMapping');
  assert.deepEqual(
    told.map(({ message }) => message).filter((message) => message?.includes('Claim')),
    [
      `no ClusterDomainClaim found for domain "${name}" (and autocreate-cluster-domain-claims property is not true)`,
    ],
  );
  await on.cluster.steady();
  await client.create(ClusterDomainClaim, claim('default'));
  await on.play();
  assert.deepEqual(await standing(on), {
    CertificateProvisioned: 'True TLSNotEnabled',
    DomainClaimed: 'True',
    IngressReady: 'True',
    Ready: 'True',
    ReferenceResolved: 'True',
  });
  const found = await client.get(DomainMapping, { namespace, name });
  assert.equal(found?.status?.url, `http://${name}:8080`);
  const ingress = await client.get(Ingress, { namespace, name });
  assert.equal(ingress?.metadata.annotations?.['note'], 'mine');
  assert.equal(
    ingress.metadata.labels?.['serving.knative.dev/domainMappingUID'],
    found?.metadata.uid,
  );
  assert.deepEqual(ingress.spec.rules, [
    {
      hosts: [name],
      visibility: 'ExternalIP',
      http: {
        paths: [
          {
            rewriteHost: 'hello.default.svc.cluster.local',
            splits: [
              {
                serviceName: 'hello',
                serviceNamespace: namespace,
                servicePort: 80,
                percent: 100,
                appendHeaders: { 'K-Original-Host': name },
              },
            ],
          },
        ],
      },
    },
  ]);
  await on.cluster.steady();
  // A claim that somebody made outlives what was mapped by it.
  await client.delete(DomainMapping, { namespace, name });
  await on.play();
  assert.equal(await client.get(DomainMapping, { namespace, name }), undefined);
  assert.ok(await client.get(ClusterDomainClaim, { name }));
});

test('domains: whoever comes first has the domain where the cluster lets them, and gives it back', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  say(on, 'config-network', { 'autocreate-cluster-domain-claims': 'true' });
  await client.create(Service, hello());
  await client.create(DomainMapping, mapping());
  await on.play();
  assert.equal((await standing(on))['Ready'], 'True');
  assert.equal((await client.get(ClusterDomainClaim, { name }))?.spec.namespace, namespace);
  await client.delete(DomainMapping, { namespace, name });
  await on.play();
  assert.equal(await client.get(ClusterDomainClaim, { name }), undefined);
  await client.create(ClusterDomainClaim, claim('elsewhere'));
  await client.create(DomainMapping, mapping());
  await on.play();
  const claimed = await client.get(DomainMapping, { namespace, name });
  const condition = claimed?.status?.conditions?.find(({ type }) => type === 'DomainClaimed');
  assert.equal(condition?.message, 'The domain name is already in use by another DomainMapping');
  assert.equal(await client.get(Ingress, { namespace, name }), undefined);
});

test('domains: what a mapping leads to is looked up, and why it is not there is said', async () => {
  for (const [ref, expected] of [
    [
      '{ apiVersion: serving.knative.dev/v1, kind: Service, name: none }',
      'failed to get object default/none: services.serving.knative.dev "none" not found',
    ],
    [
      '{ apiVersion: v1, kind: Service, name: none }',
      'failed to get object default/none: services "none" not found',
    ],
    [
      '{ apiVersion: example.com/v1, kind: Broker, name: none }',
      'failed to get object default/none: Broker of example.com/v1 cannot be mapped here',
    ],
  ] as const) {
    await using on = await servingStage();
    const { client } = on.cluster;
    await client.create(ClusterDomainClaim, claim('default'));
    await client.create(DomainMapping, mapping(ref));
    await on.play();
    const found = await client.get(DomainMapping, { namespace, name });
    const resolved = found?.status?.conditions?.find(({ type }) => type === 'ReferenceResolved');
    assert.deepEqual(
      [resolved?.status, resolved?.reason, resolved?.message],
      ['False', 'ResolveFailed', expected],
    );
    const { items } = await client.list(Event, { namespace });
    const told = items.filter(({ involvedObject }) => involvedObject.kind === DomainMapping.kind);
    assert.ok(
      told.some((event) => event.message === `resolving reference: ${expected}`),
      told.map((event) => event.message).join(),
    );
    await on.cluster.steady();
  }
});

test('domains: a mapping becomes Ready when what it leads to comes', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(ClusterDomainClaim, claim('default'));
  await client.create(DomainMapping, mapping());
  await on.play();
  assert.equal((await standing(on))['Ready'], 'False ResolveFailed');
  await client.create(Service, hello());
  await on.play();
  assert.equal((await standing(on))['Ready'], 'True');
  await on.cluster.steady();
});

test('domains: a mapping whose claim goes to others is served no more', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await client.create(ClusterDomainClaim, claim(namespace));
  await client.create(DomainMapping, mapping());
  await on.play();
  await client.delete(ClusterDomainClaim, { name });
  await client.create(ClusterDomainClaim, claim('elsewhere'));
  await on.play();
  assert.equal((await standing(on))['Ready'], 'False DomainAlreadyClaimed');
  assert.equal(await client.get(Ingress, { namespace, name }), undefined);
});

test('domains: a mapping has the certificate that its author names, or one that is asked for', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'knative-serving' },
  });
  await client.create(Service, hello());
  await client.create(ClusterDomainClaim, claim(namespace));
  const plain = mapping();
  await client.create(DomainMapping, {
    ...plain,
    spec: { ...plain.spec, tls: { secretName: 'mine' } },
  });
  await on.play();
  const seen = async (): Promise<unknown> => {
    const found = await client.get(DomainMapping, { namespace, name });
    const ingress = await client.get(Ingress, { namespace, name });
    const said = found && conditionOf(found, 'CertificateProvisioned');
    return [said?.status, said?.reason, found?.status?.url, ingress?.spec.tls];
  };
  const tls = [{ hosts: [name], secretName: 'mine', secretNamespace: namespace }];
  const url = `https://${name}:8443`;
  assert.deepEqual(await seen(), ['True', 'CertificateExternallyProvided', url, tls]);
  assert.equal((await standing(on))['Ready'], 'True');
  const current = await client.get(DomainMapping, { namespace, name });
  assert.ok(current);
  await client.update(DomainMapping, { ...current, spec: plain.spec });
  await on.play();
  const plainUrl = `http://${name}:8080`;
  assert.deepEqual(await seen(), ['True', 'TLSNotEnabled', plainUrl, undefined]);
  say(on, 'config-network', { 'external-domain-tls': 'Enabled', 'http-protocol': 'Redirected' });
  await on.play();
  assert.deepEqual(await seen(), ['True', undefined, url, [{ ...tls[0], secretName: name }]]);
  const certificate = await client.get(Certificate, { namespace, name });
  assert.deepEqual(certificate?.metadata.labels, {
    'networking.knative.dev/certificate-type': 'external-domain',
    'serving.knative.dev/domainMappingNamespace': namespace,
    'serving.knative.dev/domainMappingUID': current.metadata.uid,
  });
  assert.deepEqual(certificate.spec, { dnsNames: [name], domain: name, secretName: name });
  await on.cluster.steady();
});

test('domains: a certificate that is on its way, and one whose name is taken, are told on a mapping', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  say(on, 'config-network', {
    'external-domain-tls': 'Enabled',
    'http-protocol': 'Redirected',
    'certificate-class': 'somebody-else.example.com',
  });
  await client.create(Service, hello());
  await client.create(ClusterDomainClaim, claim(namespace));
  await client.create(DomainMapping, mapping());
  await on.play();
  const provisioned = async (): Promise<string> => {
    const found = (await client.get(DomainMapping, { namespace, name })) ?? assert.fail();
    const said = conditionOf(found, 'CertificateProvisioned');
    return `${said?.status} ${said?.reason}: ${said?.message}`;
  };
  const notReady = `Unknown CertificateNotReady: Certificate ${name} is not ready.`;
  assert.equal(await provisioned(), notReady);
  assert.equal((await standing(on))['Ready'], 'Unknown CertificateNotReady');
  // Somebody takes it over, and gives it up again.
  const certificate = (await client.get(Certificate, { namespace, name })) ?? assert.fail();
  const { ownerReferences: _, ...metadata } = certificate.metadata;
  await client.update(Certificate, { ...certificate, metadata });
  await on.play();
  assert.equal(
    await provisioned(),
    `False CertificateNotOwned: There is an existing certificate ${name} that we don't own.`,
  );
  await client.delete(Certificate, { namespace, name });
  await on.play();
  assert.equal(await provisioned(), notReady);
  await on.cluster.steady();
});
