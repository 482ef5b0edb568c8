import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterUnderTest } from '#test/support/cluster-under-test.ts';
import { made } from '#test/support/observe.ts';
import { servingUnderTest } from '#test/support/serving-under-test.ts';
import { at } from '#test/support/wire.ts';

const service = (spec: object, name = 'hello'): object => ({
  apiVersion: 'serving.knative.dev/v1',
  kind: 'Service',
  metadata: { name },
  spec: { template: { spec } },
});
const hello = { containers: [{ image: 'registry.example.com/hello' }] };

/** Where Services of a namespace of its own are. */
async function withServices(): Promise<{ cluster: ClusterUnderTest; services: string }> {
  const cluster = await servingUnderTest();
  const namespace = await cluster.namespace();
  return { cluster, services: `/apis/serving.knative.dev/v1/namespaces/${namespace}/services` };
}

test('serving admission: what the author left out is filled in, and who it was is kept', async () => {
  const { cluster, services } = await withServices();
  const object = await made(cluster, services, service(hello));
  const spec = at(object, 'spec.template.spec') as Record<string, unknown>;
  assert.equal(spec['containerConcurrency'], 0);
  assert.equal(spec['timeoutSeconds'], 300);
  assert.equal(at(object, 'spec.template.spec.containers.0.name'), 'user-container');
  assert.deepEqual(at(object, 'spec.traffic'), [{ latestRevision: true, percent: 100 }]);
  const annotations = at(object, 'metadata.annotations') as Record<string, string>;
  const { body: self } = await cluster.send(
    'POST',
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    {},
  );
  const who = at(self, 'status.userInfo.username');
  assert.equal(annotations['serving.knative.dev/creator'], who);
  assert.equal(annotations['serving.knative.dev/lastModifier'], who);
});

test('serving admission: what is wrong is refused in the same words, also by dry run', async () => {
  const { cluster, services } = await withServices();
  const wrong = service({ ...hello, containerConcurrency: -1, timeoutSeconds: 0 });
  for (const target of [services, `${services}?dryRun=All`]) {
    const { status, body } = await cluster.send('POST', target, wrong);
    assert.equal(status, 400);
    assert.equal(
      at(body, 'message'),
      'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: expected 0 <= -1 <= 1000: spec.template.spec.containerConcurrency',
    );
    assert.equal(at(body, 'reason'), 'BadRequest');
  }
  const { status } = await cluster.send('GET', `${services}/hello`);
  assert.equal(status, 404);
});

test('serving admission: of some lists several appliers own the items that each has named', async () => {
  const { cluster, services } = await withServices();
  const apply = async (by: string, spec: object): Promise<unknown> => {
    const { status, body } = await cluster.send(
      'PATCH',
      `${services}/hello?fieldManager=${by}`,
      service(spec),
      { headers: { 'content-type': 'application/apply-patch+yaml' } },
    );
    assert.ok(status < 300, JSON.stringify(body));
    return at(body, 'spec.template.spec.imagePullSecrets');
  };
  await apply('first', { ...hello, imagePullSecrets: [{ name: 'one' }] });
  const both = [{ name: 'one' }, { name: 'two' }];
  assert.deepEqual(await apply('second', { imagePullSecrets: [{ name: 'two' }] }), both);
  assert.deepEqual(await apply('first', hello), [{ name: 'two' }]);
  const twice = service({ ...hello, imagePullSecrets: [{ name: 'a' }, { name: 'a' }] }, 'twice');
  const { status, body } = await cluster.send('POST', services, twice);
  assert.equal(status, 422);
  assert.match(
    String(at(body, 'message')),
    /spec\.template\.spec\.imagePullSecrets\[1\]: Duplicate value: \{"name":"a"\}/,
  );
});

test('serving admission: who created it cannot be changed, and who changes it is kept', async () => {
  const { cluster, services } = await withServices();
  const object = (await made(cluster, services, service(hello))) as Record<string, unknown>;
  const metadata = object['metadata'] as Record<string, unknown>;
  const annotations = { 'serving.knative.dev/creator': 'somebody', note: 'mine' };
  const { status, body } = await cluster.send('PUT', `${services}/hello`, {
    ...object,
    metadata: { ...metadata, annotations },
  });
  assert.equal(status, 400, JSON.stringify(body));
  assert.match(String(at(body, 'message')), /annotation value is immutable/);
});

test('serving admission: by dry run the pods of a template are tried too', async () => {
  const { cluster, services } = await withServices();
  const unfit = service({ containers: [{ image: 'a', name: '&InvalidValue' }] });
  const { status, body } = await cluster.send('POST', `${services}?dryRun=All`, unfit);
  assert.equal(status, 400, JSON.stringify(body));
  assert.match(
    String(at(body, 'message')),
    /^admission webhook "validation\.webhook\.serving\.knative\.dev" denied the request: validation callback failed: dry run failed with Pod "dry-run-validation\w+" is invalid: .*InvalidValue.*: spec\.template$/s,
  );
  const fit = await cluster.send('POST', `${services}?dryRun=All`, service(hello));
  assert.equal(fit.status, 201, JSON.stringify(fit.body));
});

test('serving admission: fields that a feature opens are there once it does', async () => {
  const { cluster, services } = await withServices();
  const chosen = service({ ...hello, nodeSelector: { disk: 'fast' } });
  const { status, body } = await cluster.send('POST', services, chosen);
  assert.equal(status, 400);
  assert.match(
    String(at(body, 'message')),
    /validation failed: must not set the field\(s\): spec\.template\.spec\.nodeSelector$/,
  );
});

test('serving admission: kinds inside are refused in the same words', async () => {
  const { cluster, services } = await withServices();
  const namespace = services.split('/')[5] ?? '';
  for (const [path, object, message] of [
    [
      `/apis/serving.knative.dev/v1beta1/namespaces/${namespace}/domainmappings`,
      {
        apiVersion: 'serving.knative.dev/v1beta1',
        kind: 'DomainMapping',
        metadata: { name: 'shop.example.com' },
        spec: { ref: { name: 'hello', kind: 'Service' } },
      },
      'missing field(s): spec.ref.apiVersion',
    ],
    [
      `/apis/autoscaling.internal.knative.dev/v1alpha1/namespaces/${namespace}/podautoscalers`,
      {
        apiVersion: 'autoscaling.internal.knative.dev/v1alpha1',
        kind: 'PodAutoscaler',
        metadata: { name: 'a' },
        spec: { protocolType: 'http1', scaleTargetRef: { kind: 'Deployment', name: 'd' } },
      },
      'missing field(s): spec.scaleTargetRef.apiVersion',
    ],
    [
      `/apis/networking.internal.knative.dev/v1alpha1/namespaces/${namespace}/ingresses`,
      {
        apiVersion: 'networking.internal.knative.dev/v1alpha1',
        kind: 'Ingress',
        metadata: { name: 'a' },
        spec: { rules: [{ hosts: ['a.b'] }] },
      },
      'missing field(s): spec.rules[0].http',
    ],
  ] as const) {
    const { status, body } = await cluster.send('POST', path, object);
    assert.equal(status, 400, JSON.stringify(body));
    assert.equal(
      at(body, 'message'),
      `admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: ${message}`,
    );
  }
});

test('serving admission: what the server itself refuses is told before anybody is asked', async () => {
  const { cluster, services } = await withServices();
  const named = await cluster.send('POST', services, service({}, 'Not_A_Name'));
  assert.equal(named.status, 422, JSON.stringify(named.body));
  assert.equal(at(named.body, 'reason'), 'Invalid');
  assert.match(String(at(named.body, 'message')), /metadata\.name: Invalid value: "Not_A_Name"/);
  const mistyped = await cluster.send('POST', services, service({ timeoutSeconds: 'long' }));
  assert.equal(mistyped.status, 422, JSON.stringify(mistyped.body));
  assert.match(String(at(mistyped.body, 'message')), /spec\.template\.spec\.timeoutSeconds/);
});
