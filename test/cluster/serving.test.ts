import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { conditionsOf, made, merged, until, untilItems } from '#test/support/observe.ts';
import { pretendNode, type PretendNode } from '#test/support/pretend-node.ts';
import { servingUnderTest } from '#test/support/serving-under-test.ts';
import type { ClusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at, textAt } from '#test/support/wire.ts';

const IMAGE = `registry.example.com/hello@sha256:${'a'.repeat(64)}`;
const SERVING = '/apis/serving.knative.dev/v1';
const INTERNAL = '/apis/networking.internal.knative.dev/v1alpha1';

/** A namespace of its own on a cluster whose one node runs what is bound to it. */
interface Yard {
  readonly cluster: ClusterUnderTest;
  readonly namespace: string;
  /** The collection of one of Serving's kinds, `services`, or with its group and version. */
  readonly all: (plural: string, group?: string) => string;
  readonly create: (plural: string, object: object) => Promise<unknown>;
  /** The object as soon as its condition has that status; Ready unless told. */
  readonly once: (path: string, status: string, type?: string) => Promise<unknown>;
}

let node: PretendNode;
const namespaces: string[] = [];

async function openYard(): Promise<Yard> {
  const cluster = await servingUnderTest();
  const namespace = await cluster.namespace();
  namespaces.push(`/api/v1/namespaces/${namespace}`);
  const all = (plural: string, group = SERVING): string =>
    `${group}/namespaces/${namespace}/${plural}`;
  return {
    cluster,
    namespace,
    all,
    create: async (plural, object) => await made(cluster, all(plural), object),
    once: async (path, status, type = 'Ready') =>
      await until(
        cluster,
        path.startsWith('/') ? path : all(path),
        (it) => conditionsOf(it)[type]?.status === status && isObserved(it),
      ),
  };
}

function isObserved(object: unknown): boolean {
  return at(object, 'status.observedGeneration') === at(object, 'metadata.generation');
}

function service(
  name: string,
  options: { metadata?: object; spec?: object; traffic?: object[]; image?: string } = {},
): object {
  const { metadata = {}, spec = {}, traffic, image = IMAGE } = options;
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: {
      template: { metadata, spec: { containers: [{ image }], ...spec } },
      ...(traffic && { traffic }),
    },
  };
}

const said = (object: unknown, type = 'Ready'): readonly (string | undefined)[] => {
  const { status, reason, message } = conditionsOf(object)[type] ?? { status: 'absent' };
  return [status, reason, message];
};

/** What a kubelet says once the program answers. */
async function comesUp(cluster: ClusterUnderTest, pod: unknown): Promise<void> {
  const target = `/api/v1/namespaces/${textAt(pod, 'metadata.namespace')}/pods/${textAt(pod, 'metadata.name')}/status`;
  const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'];
  await merged(cluster, target, {
    status: { phase: 'Running', conditions: conditions.map((type) => ({ type, status: 'True' })) },
  });
}

suite('serving', { concurrency: true }, () => {
  before(async () => (node = await pretendNode(await servingUnderTest())));
  // The node ends their pods, so it goes last.
  after(async () => {
    await using _ = node;
    const cluster = await servingUnderTest();
    for (const namespace of namespaces) await cluster.send('DELETE', namespace);
    for (const namespace of namespaces) await until(cluster, namespace, (it) => it === undefined);
  });
  test('a Service is Ready with all that is made for it, under its names and owners', async () => {
    const yard = await openYard();
    const { cluster, namespace, all } = yard;
    await yard.create('services', service('hello'));
    const ready = await yard.once('services/hello', 'True');
    assert.deepEqual(at(ready, 'status.traffic'), [
      { latestRevision: true, percent: 100, revisionName: 'hello-00001' },
    ]);
    assert.match(
      textAt(ready, 'status.url'),
      new RegExp(`^http://hello\\.${namespace}\\.localhost`),
    );
    assert.equal(at(ready, 'status.address.url'), `http://hello.${namespace}.svc.cluster.local`);
    const owners: readonly (readonly [string, string])[] = [
      [all('configurations/hello'), 'Service/hello'],
      [all('routes/hello'), 'Service/hello'],
      [all('revisions/hello-00001'), 'Configuration/hello'],
      [all('deployments/hello-00001-deployment', '/apis/apps/v1'), 'Revision/hello-00001'],
      [
        all('podautoscalers/hello-00001', '/apis/autoscaling.internal.knative.dev/v1alpha1'),
        'Revision/hello-00001',
      ],
      [
        all(
          'images/hello-00001-cache-user-container',
          '/apis/caching.internal.knative.dev/v1alpha1',
        ),
        'Revision/hello-00001',
      ],
      [
        all('metrics/hello-00001', '/apis/autoscaling.internal.knative.dev/v1alpha1'),
        'PodAutoscaler/hello-00001',
      ],
      [all('serverlessservices/hello-00001', INTERNAL), 'PodAutoscaler/hello-00001'],
      [all('ingresses/hello', INTERNAL), 'Route/hello'],
      [all('services/hello', '/api/v1'), 'Route/hello'],
      [all('services/hello-00001', '/api/v1'), 'ServerlessService/hello-00001'],
      [all('services/hello-00001-private', '/api/v1'), 'ServerlessService/hello-00001'],
    ];
    for (const [target, owner] of owners) {
      const { status, body } = await cluster.send('GET', target);
      assert.equal(status, 200, target);
      const [reference] = at(body, 'metadata.ownerReferences') as readonly unknown[];
      assert.equal(`${textAt(reference, 'kind')}/${textAt(reference, 'name')}`, owner, target);
      assert.equal(at(reference, 'controller'), true, target);
    }
    const { status } = await cluster.send('DELETE', all('services/hello'));
    assert.equal(status, 200);
    for (const [target] of owners) await until(cluster, target, (it) => it === undefined);
  });

  test('a new revision takes over when it is ready, shares by percent, and gives back by name', async () => {
    const yard = await openYard();
    const { cluster, all } = yard;
    await yard.create('services', service('roll'));
    await yard.once('services/roll', 'True');
    node.say('roll-00002', { phase: 'Pending' });
    const image = IMAGE.replaceAll('a'.repeat(64), 'b'.repeat(64));
    await merged(cluster, all('services/roll'), {
      spec: { template: { spec: { containers: [{ image }] } } },
    });
    const splits = (ingress: unknown): unknown =>
      (at(ingress, 'spec.rules.0.http.paths.0.splits') as readonly unknown[] | undefined)?.map(
        (split) => `${textAt(split, 'serviceName')} ${textAt(split, 'percent')}`,
      );
    const isSplit = async (...wanted: readonly string[]): Promise<unknown> =>
      await until(
        cluster,
        all('ingresses/roll', INTERNAL),
        (it) => JSON.stringify(splits(it)) === JSON.stringify(wanted),
      );
    const waiting = await until(
      cluster,
      all('services/roll'),
      (it) => at(it, 'status.latestCreatedRevisionName') === 'roll-00002',
    );
    assert.equal(said(waiting)[0], 'Unknown');
    await isSplit('roll-00001 100');
    const [pod] = await untilItems(
      cluster,
      `${all('pods', '/api/v1')}?labelSelector=serving.knative.dev%2Frevision%3Droll-00002`,
      (items) => items.some((it) => at(it, 'status.startTime') !== undefined),
    );
    await comesUp(cluster, pod);
    await yard.once('services/roll', 'True');
    await isSplit('roll-00002 100');
    const share = (revisionName: string, percent: number, tag: string): object => ({
      revisionName,
      percent,
      tag,
    });
    await merged(cluster, all('services/roll'), {
      spec: { traffic: [share('roll-00001', 10, 'old'), share('roll-00002', 90, 'new')] },
    });
    const shared = await yard.once('services/roll', 'True');
    await isSplit('roll-00001 10', 'roll-00002 90');
    const urls = (at(shared, 'status.traffic') as readonly unknown[]).map((it) =>
      textAt(it, 'url'),
    );
    assert.match(urls.join(' '), /^http:\/\/old-roll\.\S+ http:\/\/new-roll\.\S+$/);
    await merged(cluster, all('services/roll'), {
      spec: { traffic: [{ revisionName: 'roll-00001', percent: 100 }] },
    });
    await yard.once('services/roll', 'True');
    await isSplit('roll-00001 100');
  });

  test('a program that ends is said with its code and last words, up to the Service', async () => {
    const yard = await openYard();
    node.say('sad-00001', {
      phase: 'Running',
      containerStatuses: [
        {
          name: 'user-container',
          image: IMAGE,
          imageID: '',
          ready: false,
          restartCount: 2,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { exitCode: 5, message: 'no database', reason: 'Error' } },
        },
      ],
    });
    await yard.create('services', service('sad'));
    const failed = await yard.once('services/sad', 'False', 'ConfigurationsReady');
    const message = 'Revision "sad-00001" failed with message: Container failed with: no database.';
    assert.deepEqual(said(failed, 'ConfigurationsReady'), ['False', 'RevisionFailed', message]);
    const route = await yard.once('routes/sad', 'False');
    assert.deepEqual(said(route, 'AllTrafficAssigned'), [
      'False',
      'RevisionMissing',
      'Configuration "sad" does not have any ready Revision.',
    ]);
    const revision = await yard.once('revisions/sad-00001', 'False');
    assert.deepEqual(said(revision, 'ContainerHealthy').slice(0, 2), ['False', 'ExitCode5']);
  });

  test('what no node has room for, and what a quota forbids, is said', async () => {
    const yard = await openYard();
    const { cluster, all, namespace } = yard;
    const resources = { requests: { cpu: '1000' } };
    const big = { containers: [{ image: IMAGE, resources }] };
    await yard.create('services', service('big', { spec: big }));
    const revision = await yard.once('revisions/big-00001', 'False', 'ResourcesAvailable');
    const [, reason, message = ''] = said(revision, 'ResourcesAvailable');
    assert.equal(reason, 'Unschedulable');
    assert.match(message, /Insufficient cpu/);
    await cluster.send('DELETE', all('services/big'));
    await made(cluster, `/api/v1/namespaces/${namespace}/resourcequotas`, {
      metadata: { name: 'none' },
      spec: { hard: { pods: '0' } },
    });
    await until(
      cluster,
      `/api/v1/namespaces/${namespace}/resourcequotas/none`,
      (it) => at(it, 'status.hard.pods') === '0',
    );
    await yard.create('services', service('many'));
    const refused = await yard.once('revisions/many-00001', 'False', 'ResourcesAvailable');
    assert.equal(said(refused, 'ResourcesAvailable')[1], 'FailedCreate');
    assert.match(said(refused, 'ResourcesAvailable')[2] ?? '', /forbidden: exceeded quota: none/);
  });

  test("what is there and somebody else's is not touched, and said", async () => {
    const yard = await openYard();
    const { spec } = service('x') as { spec: { template: object } };
    await yard.create('configurations', {
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Configuration',
      metadata: { name: 'taken' },
      spec,
    });
    await yard.create('services', service('taken'));
    const failed = await yard.once('services/taken', 'False');
    assert.deepEqual(said(failed, 'ConfigurationsReady'), [
      'False',
      'NotOwned',
      'There is an existing Configuration "taken" that we do not own.',
    ]);
  });

  test('a Route by itself says what it waits for, and leads to a Configuration when it comes', async () => {
    const yard = await openYard();
    const kind = (name: string, spec: object): object => ({
      apiVersion: 'serving.knative.dev/v1',
      kind: name,
      metadata: { name: 'alone' },
      spec,
    });
    await yard.create(
      'routes',
      kind('Route', { traffic: [{ configurationName: 'alone', percent: 100 }] }),
    );
    const missing = await yard.once('routes/alone', 'False');
    assert.deepEqual(said(missing, 'AllTrafficAssigned'), [
      'False',
      'ConfigurationMissing',
      'Configuration "alone" referenced in traffic not found.',
    ]);
    const { spec } = service('x') as { spec: object };
    await yard.create('configurations', kind('Configuration', spec));
    const ready = await yard.once('routes/alone', 'True');
    assert.deepEqual(at(ready, 'status.traffic'), [
      { latestRevision: true, percent: 100, revisionName: 'alone-00001' },
    ]);
    assert.deepEqual(said(ready, 'CertificateProvisioned').slice(0, 2), ['True', 'TLSNotEnabled']);
  });

  test('bounds of scale are kept, and class hpa is left to a HorizontalPodAutoscaler', async () => {
    const yard = await openYard();
    const { cluster, all } = yard;
    const annotated = (values: Record<string, string>): object => ({
      annotations: Object.fromEntries(
        Object.entries(values).map(([name, value]) => [`autoscaling.knative.dev/${name}`, value]),
      ),
    });
    await yard.create('services', service('three', { metadata: annotated({ 'min-scale': '3' }) }));
    await yard.create(
      'services',
      service('cpu', {
        metadata: annotated({
          class: 'hpa.autoscaling.knative.dev',
          metric: 'cpu',
          target: '60',
          'max-scale': '4',
        }),
      }),
    );
    await yard.once('services/three', 'True');
    const revision = await until(
      cluster,
      all('revisions/three-00001'),
      (it) => at(it, 'status.actualReplicas') === 3,
    );
    assert.equal(at(revision, 'status.desiredReplicas'), 3);
    await yard.once('services/cpu', 'True');
    const { body } = await cluster.send(
      'GET',
      all('horizontalpodautoscalers/cpu-00001', '/apis/autoscaling/v2'),
    );
    assert.deepEqual([at(body, 'spec.minReplicas'), at(body, 'spec.maxReplicas')], [1, 4]);
    assert.equal(at(body, 'spec.scaleTargetRef.name'), 'cpu-00001-deployment');
    assert.equal(at(body, 'spec.metrics.0.resource.target.averageUtilization'), 60);
  });

  test('a domain is of the namespace that has its claim, and leads where its mapping says', async () => {
    const [one, other] = [await openYard(), await openYard()];
    const { cluster } = one;
    const domain = `${one.namespace}.example.com`;
    const mappingsOf = ({ all }: Yard): string =>
      all('domainmappings', '/apis/serving.knative.dev/v1beta1');
    const refTo = (name: string): object => ({
      ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name },
    });
    for (const yard of [one, other]) {
      await yard.create('services', service('shop'));
      await yard.once('services/shop', 'True');
      await made(cluster, mappingsOf(yard), {
        apiVersion: 'serving.knative.dev/v1beta1',
        kind: 'DomainMapping',
        metadata: { name: domain },
        spec: refTo('shop'),
      });
      const waiting = await yard.once(`${mappingsOf(yard)}/${domain}`, 'False', 'DomainClaimed');
      assert.equal(said(waiting)[0], 'False');
    }
    const claims = `${INTERNAL}/clusterdomainclaims`;
    const claim = async ({ namespace }: Yard): Promise<unknown> =>
      await made(cluster, claims, {
        apiVersion: 'networking.internal.knative.dev/v1alpha1',
        kind: 'ClusterDomainClaim',
        metadata: { name: domain },
        spec: { namespace },
      });
    await claim(one);
    const ready = await one.once(`${mappingsOf(one)}/${domain}`, 'True');
    assert.match(textAt(ready, 'status.url'), new RegExp(`^http://${domain}`));
    await cluster.send('DELETE', `${claims}/${domain}`);
    await one.once(`${mappingsOf(one)}/${domain}`, 'False', 'DomainClaimed');
    await claim(other);
    await other.once(`${mappingsOf(other)}/${domain}`, 'True');
    await other.create('services', service('second'));
    await other.once('services/second', 'True');
    await merged(cluster, `${mappingsOf(other)}/${domain}`, { spec: refTo('second') });
    await until(cluster, other.all(`ingresses/${domain}`, INTERNAL), (it) =>
      textAt(it, 'spec.rules.0.http.paths.0.rewriteHost').startsWith('second.'),
    );
    await other.once(`${mappingsOf(other)}/${domain}`, 'True');
    await cluster.send('DELETE', `${claims}/${domain}`);
  });

  test('a name that the server makes is what all is named by', async () => {
    const { cluster, all, once } = await openYard();
    const { spec } = service('x') as { spec: object };
    const created = await made(cluster, all('services'), {
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { generateName: 'some-' },
      spec,
    });
    const name = textAt(created, 'metadata.name');
    assert.match(name, /^some-\w{5}$/);
    const ready = await once(`services/${name}`, 'True');
    assert.equal(at(ready, 'status.latestReadyRevisionName'), `${name}-00001`);
    const { status } = await cluster.send('GET', all(`routes/${name}`));
    assert.equal(status, 200);
  });

  test('a revision that says its own name keeps it, and another may not have it', async () => {
    const yard = await openYard();
    const { cluster, all } = yard;
    await yard.create('services', service('own', { metadata: { name: 'own-first' } }));
    const ready = await yard.once('services/own', 'True');
    assert.equal(at(ready, 'status.latestReadyRevisionName'), 'own-first');
    const patch = { spec: { template: { spec: { containerConcurrency: 5 } } } };
    const headers = { 'content-type': 'application/merge-patch+json' };
    const { status, body } = await cluster.send('PATCH', all('services/own'), patch, { headers });
    assert.equal(status, 400, JSON.stringify(body));
    assert.match(textAt(body, 'message'), /Saw the following changes without a name change/);
    const changed = { ...patch.spec.template, metadata: { name: 'own-second' } };
    await merged(cluster, all('services/own'), { spec: { template: changed } });
    await until(
      cluster,
      all('services/own'),
      (it) => at(it, 'status.latestReadyRevisionName') === 'own-second',
    );
  });

  test('the name of a Route leads to wherever another gateway says that it is', async () => {
    const yard = await openYard();
    const { cluster, all } = yard;
    const annotations = { 'networking.knative.dev/ingress-class': 'gate.example.com' };
    const made = service('away') as { readonly metadata: object };
    await yard.create('services', { ...made, metadata: { ...made.metadata, annotations } });
    const ingress = all('ingresses/away', INTERNAL);
    await until(cluster, ingress, (it) => it !== undefined);
    const placeholder = all('services/away', '/api/v1');
    await until(cluster, placeholder, (it) => it !== undefined);
    const endpoints = all('endpoints/away', '/api/v1');
    const labels = { 'networking.knative.dev/visibility': 'cluster-local' };
    await merged(cluster, placeholder, { metadata: { labels } });
    const kinds: readonly (readonly [object, (spec: unknown) => boolean, string | undefined])[] = [
      [
        { domainInternal: 'a.example.com' },
        (it) => at(it, 'externalName') === 'a.example.com',
        undefined,
      ],
      [{ ip: '192.0.2.7' }, (it) => at(it, 'clusterIP') === 'None', '192.0.2.7'],
      [{ meshOnly: true }, (it) => /^[0-9]/.test(textAt(it, 'clusterIP')), undefined],
      [{ domain: 'b.example.com' }, (it) => at(it, 'externalName') === 'b.example.com', undefined],
      [{ meshOnly: true }, (it) => /^[0-9]/.test(textAt(it, 'clusterIP')), undefined],
    ];
    for (const [balancer, isThere, address] of kinds) {
      const status = { privateLoadBalancer: { ingress: [balancer] } };
      await merged(cluster, `${ingress}/status`, { status });
      const found = await until(cluster, placeholder, (it) => isThere(at(it, 'spec') ?? {}));
      assert.partialDeepStrictEqual(at(found, 'metadata.labels'), labels);
      await until(cluster, endpoints, (it) => at(it, 'subsets.0.addresses.0.ip') === address);
    }
  });
});
