import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service as CoreService } from '#api/core-v1/service.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Kind } from '#api/kind.ts';
import { apiVersionOf } from '#api/kind.ts';
import type { Condition } from '#api/meta/conditions.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import { hello, namespace, servingStage, type ServingStage } from '#test/support/serving-stage.ts';
import { fixture } from '#test/support/fixture.ts';

/**
 * The catalogue of reasons and messages (serving specification §1.11) and of events, by the words that clients read:
 * each is brought about, and those of others' things are gone when those are.
 */

const name = 'hello';
const REVISION = 'hello-00001';
const DEPLOYMENT = 'hello-00001-deployment';

/** `False NotOwned: There is …` */
async function said(
  { cluster }: ServingStage,
  kind: Kind,
  [of, type]: readonly [string, string],
): Promise<string> {
  const object = await cluster.client.get(kind, { namespace, name: of });
  const { conditions = [] } = (object as { status?: { conditions?: Condition[] } }).status ?? {};
  const found = conditions.find((condition) => condition.type === type);
  const words = [found?.status, found?.reason].filter(Boolean).join(' ');
  return found?.message === undefined ? words : `${words}: ${found.message}`;
}

/** `Normal Created: Created Route "hello"`, each once, of one object. */
async function eventsOf({ cluster }: ServingStage, kind: string, of = name): Promise<string[]> {
  const { items } = await cluster.client.list(Event, { namespace });
  return items
    .filter(({ involvedObject }) => involvedObject.kind === kind && involvedObject.name === of)
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`)
    .toSorted();
}

function somebodyElses<T extends KubeObject>(kind: Kind<T>, of: string, rest: object = {}): T {
  const metadata = { name: of, namespace };
  // Whatever the kind wants of it stands in `rest`.
  return fixture<T>(
    JSON.stringify({ apiVersion: apiVersionOf(kind), kind: kind.kind, metadata, ...rest }),
  );
}

const template = {
  metadata: { labels: { a: 'b' } },
  spec: { containers: [{ name: 'a', image: 'b' }] },
};
const selector = { matchLabels: { a: 'b' } };
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'other' };

interface Taken {
  readonly taken: KubeObject;
  readonly kind: Kind;
  /** Whose condition says so, and which. */
  readonly of: readonly [Kind, string, string];
  readonly says: string;
  readonly event: string;
  readonly annotations?: string;
}

const takenNames: readonly Taken[] = [
  {
    kind: Configuration,
    taken: somebodyElses(Configuration, name, { spec: hello().spec }),
    of: [Service, name, 'ConfigurationsReady'],
    says: 'False NotOwned: There is an existing Configuration "hello" that we do not own.',
    event: 'service: "hello" does not own configuration: "hello"',
  },
  {
    kind: Route,
    taken: somebodyElses(Route, name, {
      spec: { traffic: [{ configurationName: 'none', percent: 100 }] },
    }),
    of: [Service, name, 'RoutesReady'],
    says: 'False NotOwned: There is an existing Route "hello" that we do not own.',
    event: 'service: "hello" does not own route: "hello"',
  },
  {
    kind: Deployment,
    taken: somebodyElses(Deployment, DEPLOYMENT, { spec: { selector, template } }),
    of: [Revision, REVISION, 'ResourcesAvailable'],
    says: `False NotOwned: There is an existing Deployment "${DEPLOYMENT}" that we do not own.`,
    event: `revision: "${REVISION}" does not own Deployment: "${DEPLOYMENT}"`,
  },
  {
    kind: PodAutoscaler,
    taken: somebodyElses(PodAutoscaler, REVISION, {
      spec: { scaleTargetRef, protocolType: 'http1' },
    }),
    of: [Revision, REVISION, 'ResourcesAvailable'],
    says: `False NotOwned: There is an existing PodAutoscaler "${REVISION}" that we do not own.`,
    event: `revision: "${REVISION}" does not own PodAutoscaler: "${REVISION}"`,
  },
  {
    kind: ServerlessService,
    taken: somebodyElses(ServerlessService, REVISION, {
      spec: { mode: 'Proxy', objectRef: scaleTargetRef, protocolType: 'http1' },
    }),
    of: [PodAutoscaler, REVISION, 'Active'],
    says: `False NotOwned: There is an existing ServerlessService "${REVISION}" that we do not own.`,
    event: `error reconciling SKS: PA: ${REVISION} does not own SKS: ${REVISION}`,
  },
  {
    kind: HorizontalPodAutoscaler,
    taken: somebodyElses(HorizontalPodAutoscaler, REVISION, {
      spec: { scaleTargetRef, maxReplicas: 2 },
    }),
    of: [PodAutoscaler, REVISION, 'Active'],
    says: `False NotOwned: There is an existing HorizontalPodAutoscaler "${REVISION}" that we do not own.`,
    event: `PodAutoscaler: "${REVISION}" does not own HPA: "${REVISION}"`,
    annotations: '{ autoscaling.knative.dev/class: hpa.autoscaling.knative.dev }',
  },
  {
    kind: CoreService,
    taken: somebodyElses(CoreService, 'hello-00001-private', { spec: { ports: [{ port: 80 }] } }),
    of: [ServerlessService, REVISION, 'EndpointsPopulated'],
    says: 'False NotOwned: Resource hello-00001-private of type Service is not owned by SKS',
    event: 'Resource hello-00001-private of type Service is not owned by SKS',
  },
  {
    kind: Endpoints,
    taken: somebodyElses(Endpoints, REVISION, { subsets: [] }),
    of: [ServerlessService, REVISION, 'EndpointsPopulated'],
    says: `False NotOwned: Resource ${REVISION} of type Endpoints is not owned by SKS`,
    event: `Resource ${REVISION} of type Endpoints is not owned by SKS`,
  },
  {
    kind: CoreService,
    taken: somebodyElses(CoreService, name, { spec: { ports: [{ port: 80 }] } }),
    of: [Route, name, 'IngressReady'],
    says: 'False NotOwned: There is an existing placeholder Service "hello" that we do not own.',
    event: 'route: "hello" does not own Service: "hello"',
  },
  {
    kind: Endpoints,
    taken: somebodyElses(Endpoints, name, { subsets: [] }),
    of: [Route, name, 'IngressReady'],
    says: 'False NotOwned: There is an existing placeholder Endpoint "hello" that we do not own.',
    event: 'route: "hello" does not own Endpoints: "hello"',
  },
  {
    kind: Ingress,
    taken: somebodyElses(Ingress, name, {
      metadata: {
        name,
        namespace,
        annotations: { 'networking.knative.dev/ingress.class': 'example.com' },
      },
      spec: {
        rules: [
          {
            hosts: ['x.example.com'],
            http: {
              paths: [
                {
                  splits: [
                    {
                      serviceName: 'x',
                      serviceNamespace: namespace,
                      servicePort: 80,
                      percent: 100,
                    },
                  ],
                },
              ],
            },
          },
        ],
      },
    }),
    of: [Route, name, 'IngressReady'],
    says: 'False NotOwned: There is an existing Ingress "hello" that we do not own.',
    event: 'route: "hello" does not own Ingress: "hello"',
  },
];

for (const { kind, taken, of, says, event, annotations } of takenNames) {
  const [owner, ownerName, type] = of;
  test(`reasons: a ${kind.kind} ${taken.metadata.name} of somebody else is left alone, and said`, async () => {
    await using on = await servingStage();
    const { client } = on.cluster;
    const theirs = await client.create(kind, taken);
    await client.create(Service, hello({ ...(annotations && { annotations }) }));
    await on.play();
    assert.equal(await said(on, owner, [ownerName, type]), says);
    assert.equal((await said(on, owner, [ownerName, 'Ready'])).split(':')[0], 'False NotOwned');
    assert.ok(
      (await eventsOf(on, owner.kind, ownerName)).includes(`Warning InternalError: ${event}`),
      event,
    );
    const { name: theirName = '' } = taken.metadata;
    const after = await client.get(kind, { namespace, name: theirName });
    assert.equal(after?.metadata.uid, theirs.metadata.uid);
    assert.equal(after?.metadata.ownerReferences, undefined);
    // When they give the name back, all is well at once: no back-off is waited for.
    await client.delete(kind, { namespace, name: theirName });
    await on.play();
    assert.equal(await said(on, Service, [name, 'Ready']), 'True');
    await on.cluster.steady();
  });
}

test('reasons: a revision name that somebody else has is taken as soon as it is free', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const chosen = 'hello-mine';
  const { spec } = hello().spec.template ?? {};
  await client.create(Revision, somebodyElses(Revision, chosen, { spec }));
  await client.create(Service, hello({ name: chosen }));
  await on.play();
  const exists = `revisions.serving.knative.dev "${chosen}" already exists`;
  assert.equal(
    await said(on, Configuration, [name, 'Ready']),
    `False RevisionFailed: Revision creation failed with message: ${exists}.`,
  );
  assert.equal(
    await said(on, Service, [name, 'RoutesReady']),
    `False RevisionNameTaken: The revision name "${chosen}" is taken by a conflicting Revision, so traffic will not be migrated`,
  );
  assert.equal(await client.get(Route, { namespace, name }), undefined);
  await client.delete(Revision, { namespace, name: chosen });
  await on.play();
  assert.equal(await said(on, Service, [name, 'Ready']), 'True');
  await on.cluster.steady();
});

test('reasons: what becomes of a first revision, from digests to Ready', async () => {
  const asked = Promise.withResolvers<string>();
  await using on = await servingStage({ resolveDigest: () => asked.promise });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.cluster.settled();
  const revision = (type: string): Promise<string> => said(on, Revision, [REVISION, type]);
  assert.equal(await revision('ResourcesAvailable'), 'Unknown ResolvingDigests');
  assert.equal(await revision('ContainerHealthy'), 'Unknown');
  assert.equal(await said(on, Configuration, [name, 'Ready']), 'Unknown');
  assert.equal(
    await said(on, Route, [name, 'AllTrafficAssigned']),
    'Unknown RevisionMissing: Configuration "hello" is waiting for a Revision to become ready.',
  );
  asked.resolve(`localhost:5000/hello@sha256:${'a'.repeat(64)}`);
  await on.cluster.settled();
  assert.equal(await revision('ContainerHealthy'), 'Unknown Deploying');
  assert.equal(await revision('ResourcesAvailable'), 'Unknown Deploying');
  assert.equal(
    await said(on, ServerlessService, [REVISION, 'EndpointsPopulated']),
    'Unknown NoHealthyBackends: K8s Service is not ready',
  );
  assert.equal(
    await said(on, ServerlessService, [REVISION, 'ActivatorEndpointsPopulated']),
    'True ActivatorEndpointsPopulated: Revision is backed by Activator',
  );
  assert.equal(
    await said(on, PodAutoscaler, [REVISION, 'SKSReady']),
    'Unknown NotReady: K8s Service is not ready',
  );
  assert.equal(
    await said(on, PodAutoscaler, [REVISION, 'Active']),
    'Unknown Queued: Requests to the target are being buffered as resources are provisioned.',
  );
  await on.runPods();
  assert.equal(await revision('Ready'), 'True');
  assert.equal(
    await said(on, Route, [name, 'IngressReady']),
    'Unknown IngressNotConfigured: Ingress has not yet been reconciled.',
  );
  assert.equal(
    (await said(on, Service, [name, 'RoutesReady'])).split(':')[0],
    'Unknown IngressNotConfigured',
  );
  await on.play();
  assert.equal(await said(on, Service, [name, 'Ready']), 'True');

  assert.deepEqual(await eventsOf(on, 'Service'), [
    'Normal Created: Created Configuration "hello"',
    'Normal Created: Created Route "hello"',
  ]);
  assert.deepEqual(await eventsOf(on, 'Configuration'), [
    'Normal ConfigurationReady: Configuration becomes ready',
    `Normal Created: Created Revision "${REVISION}"`,
    `Normal LatestReadyUpdate: LatestReadyRevisionName updated to "${REVISION}"`,
  ]);
  assert.deepEqual(await eventsOf(on, 'Revision', REVISION), [
    'Normal RevisionReady: Revision becomes ready upon all resources being ready',
  ]);
  assert.deepEqual(await eventsOf(on, 'Route'), [
    'Normal Created: Created Ingress "hello"',
    'Normal Created: Created placeholder service "hello"',
    'Normal FinalizerUpdate: Updated "hello" finalizers',
  ]);
});

test('reasons: a Service whose traffic goes elsewhere than to its latest is not there yet', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  await client.apply(Service, hello({ image: 'localhost:5000/hello:v2' }));
  await on.cluster.settled();
  await on.runPods();
  // The Route has not told yet that it leads to the new one.
  assert.match(
    await said(on, Service, [name, 'RoutesReady']),
    /^Unknown (TrafficNotMigrated: Traffic is not yet migrated to the latest revision\.|IngressNotConfigured: .*)$/,
  );
  await on.play();
  assert.deepEqual(
    (await eventsOf(on, 'Configuration')).filter((each) => each.includes('LatestReady')),
    ['hello-00001', 'hello-00002'].map(
      (each) => `Normal LatestReadyUpdate: LatestReadyRevisionName updated to "${each}"`,
    ),
  );
});

test('reasons: the revision that all traffic went to is deleted, and the next is not ready', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  await client.apply(Service, hello({ image: 'localhost:5000/hello:v2' }));
  await on.cluster.settled();
  await client.delete(Revision, { namespace, name: REVISION });
  await on.cluster.settled();
  assert.equal(
    await said(on, Route, [name, 'AllTrafficAssigned']),
    `False RevisionMissing: Revision "${REVISION}" referenced in traffic not found.`,
  );
  const { status } = (await client.get(Configuration, { namespace, name })) ?? assert.fail();
  assert.deepEqual(
    [status?.latestReadyRevisionName, status?.latestCreatedRevisionName],
    [REVISION, 'hello-00002'],
  );
  await on.play();
  assert.equal(await said(on, Service, [name, 'Ready']), 'True');
  await on.cluster.steady();
});

/** What a pod says of itself, and what its revision says then. */
const podCases = [
  {
    title: 'ends with words',
    status: { lastState: { terminated: { exitCode: 5, message: 'no such table' } } },
    type: 'ContainerHealthy',
    says: 'False ExitCode5: Container failed with: no such table',
  },
  {
    title: 'ends without',
    status: { lastState: { terminated: { exitCode: 0 } } },
    type: 'ContainerHealthy',
    says: 'False ExitCode0: Container failed with: container exited with no error',
  },
] as const;

for (const { title, status, type, says } of podCases) {
  test(`reasons: a program that ${title}, up to the Service`, async () => {
    await using on = await servingStage();
    await on.cluster.client.create(Service, hello());
    await on.cluster.settled();
    await on.runPods((pod) => {
      const container = { name: 'user-container', image: 'i', imageID: 'i', ready: false };
      pod.status = {
        phase: 'Running',
        containerStatuses: [{ ...container, restartCount: 1, ...status }],
      };
    });
    await on.cluster.settled();
    assert.equal(await said(on, Revision, [REVISION, type]), says);
    const words = says.slice(says.indexOf(': ') + 2);
    assert.equal(
      await said(on, Configuration, [name, 'Ready']),
      `False RevisionFailed: Revision "${REVISION}" failed with message: ${words}.`,
    );
    assert.equal(
      await said(on, Route, [name, 'AllTrafficAssigned']),
      'False RevisionMissing: Configuration "hello" does not have any ready Revision.',
    );
    assert.ok(
      (await eventsOf(on, 'Configuration')).includes(
        `Warning LatestCreatedFailed: Latest created revision "${REVISION}" has failed`,
      ),
    );
    await on.cluster.steady();
  });
}

test('reasons: a revision that was ready and fails is told as such', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  await client.updateStatus(Revision, await failed(on));
  await on.cluster.settled();
  const events = await eventsOf(on, 'Configuration');
  assert.ok(
    events.includes(`Warning LatestReadyFailed: Latest ready revision "${REVISION}" has failed`),
    events.join('\n'),
  );
});

/** As if the pods of a revision that was ready all ended. */
async function failed({ cluster }: ServingStage): Promise<Revision> {
  const revision =
    (await cluster.client.get(Revision, { namespace, name: REVISION })) ?? assert.fail();
  const conditions = (revision.status?.conditions ?? []).map((condition) =>
    ['Ready', 'ContainerHealthy'].includes(condition.type)
      ? { ...condition, status: 'False' as const, reason: 'ExitCode1', message: 'gone' }
      : condition,
  );
  return { ...revision, status: { ...revision.status, conditions } };
}

test('reasons: a pod that fits nowhere, and one that no quota has room for', async () => {
  const refusal = new ApiError(
    'Forbidden',
    'pods "x" is forbidden: exceeded quota: small, requested: cpu=1, used: cpu=0, limited: cpu=50m',
  );
  let isFull = true;
  await using on = await servingStage({
    refuse: (object) => (isFull && object.kind === Pod.kind ? refusal : undefined),
  });
  await on.cluster.client.create(Service, hello());
  await on.cluster.settled();
  assert.equal(
    await said(on, Revision, [REVISION, 'ResourcesAvailable']),
    `False FailedCreate: ${refusal.message}`,
  );
  isFull = false;
  await on.cluster.advance(60_000);
  await on.runPods((pod) => {
    const message = '0/1 nodes are available: 1 Insufficient cpu.';
    const scheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
    pod.status = { phase: 'Pending', conditions: [scheduled] };
  });
  assert.equal(
    await said(on, Revision, [REVISION, 'ResourcesAvailable']),
    'False Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.',
  );
});

interface Unmade {
  readonly kind: string;
  readonly owner: Kind;
  /** In an Event of its own, where there is one. */
  readonly told?: string;
  readonly error: string;
  readonly annotations?: string;
}

const unmade: readonly Unmade[] = [
  {
    kind: 'Configuration',
    owner: Service,
    told: 'Configuration "hello"',
    error: 'failed to create Configuration',
  },
  { kind: 'Route', owner: Service, told: 'Route "hello"', error: 'failed to create Route' },
  {
    kind: 'Revision',
    owner: Configuration,
    told: 'Revision',
    error: 'failed to create Revision',
  },
  { kind: 'Ingress', owner: Route, told: 'Ingress', error: 'failed to create Ingress' },
  {
    kind: 'Service',
    owner: Route,
    told: 'placeholder service "hello"',
    error: 'failed to create placeholder service',
  },
  {
    kind: 'Deployment',
    owner: Revision,
    error: `failed to create deployment "${DEPLOYMENT}"`,
  },
  { kind: 'PodAutoscaler', owner: Revision, error: `failed to create PA "${REVISION}"` },
  {
    kind: 'Image',
    owner: Revision,
    error: `failed to create image cache "${REVISION}-cache-user-container"`,
  },
  {
    kind: 'ServerlessService',
    owner: PodAutoscaler,
    error: `error reconciling SKS: error creating SKS ${REVISION}`,
  },
  {
    kind: 'Metric',
    owner: PodAutoscaler,
    error: 'error reconciling Metric: error creating metric',
  },
  {
    kind: 'HorizontalPodAutoscaler',
    owner: PodAutoscaler,
    error: 'failed to create HPA',
    annotations: '{ autoscaling.knative.dev/class: hpa.autoscaling.knative.dev }',
  },
  { kind: 'Service', owner: ServerlessService, error: 'failed to create private K8s Service' },
  {
    kind: 'EndpointSlice',
    owner: ServerlessService,
    error: 'failed to create public K8s EndpointSlice',
  },
  {
    kind: 'Endpoints',
    owner: ServerlessService,
    error: 'failed to create public K8s Endpoints',
  },
];

for (const { kind, owner, told, error, annotations } of unmade) {
  test(`reasons: a ${owner.kind} whose ${kind} cannot be made says so`, async () => {
    const refusal = new ApiError('Forbidden', `no ${kind} today`);
    let isRefused = true;
    await using on = await servingStage({
      refuse: ({ kind: of, metadata }) =>
        isRefused && of === kind && metadata.ownerReferences?.[0]?.kind === owner.kind
          ? refusal
          : undefined,
    });
    await on.cluster.client.create(Service, hello({ ...(annotations && { annotations }) }));
    await on.play();
    const ofService: readonly Kind[] = [Service, Configuration, Route];
    const of = ofService.includes(owner) ? name : REVISION;
    const events = await eventsOf(on, owner.kind, of);
    const complaints = [
      ...(told === undefined ? [] : [`CreationFailed: Failed to create ${told}`]),
      `InternalError: ${error}`,
    ].map((each) => `Warning ${each}: ${refusal.message}`);
    for (const each of complaints)
      assert.ok(events.includes(each), `${each}\n${events.join('\n')}`);
    if (kind === 'Revision') {
      assert.equal(
        await said(on, Configuration, [name, 'Ready']),
        `False RevisionFailed: Revision creation failed with message: ${refusal.message}.`,
      );
    }
    if (kind === 'HorizontalPodAutoscaler') {
      assert.equal(
        await said(on, PodAutoscaler, [REVISION, 'Active']),
        `False FailedCreate: Failed to create ${kind} "${REVISION}".`,
      );
    }
    isRefused = false;
    await on.cluster.advance(60_000);
    await on.play();
    assert.equal(await said(on, Service, [name, 'Ready']), 'True');
    await on.cluster.steady();
  });
}

test('reasons: a status, or a finalizer, that cannot be written is told by names of its own', async () => {
  const refusal = new ApiError('Forbidden', 'not today');
  let isRefused = true;
  await using on = await servingStage({
    refuse: ({ kind, metadata, ...rest }) => {
      const { status = {} } = rest as { readonly status?: object };
      const isMeant = metadata.finalizers !== undefined || 'url' in status;
      return isRefused && kind === Route.kind && isMeant ? refusal : undefined;
    },
  });
  await on.cluster.client.create(Service, hello());
  await on.play();
  const events = await eventsOf(on, 'Route');
  assert.deepEqual(
    events.filter((each) => each.startsWith('Warning')),
    [
      `Warning FinalizerUpdateFailed: Failed to update finalizers for "hello": ${refusal.message}`,
      `Warning UpdateFailed: Failed to update status for "hello": ${refusal.message}`,
    ],
  );
  isRefused = false;
  await on.cluster.advance(60_000);
  await on.play();
  assert.equal(await said(on, Service, [name, 'Ready']), 'True');
});

test('reasons: while a child says nothing of what it was just told, its Service waits', async () => {
  const service = hello();
  const { serviceStatus } = await import('#controllers/serving/service/service-status.ts');
  const child = { metadata: { name, generation: 2 }, status: { observedGeneration: 1 } };
  const status = serviceStatus(
    service,
    {
      configuration: { ...somebodyElses(Configuration, name), ...child } as Configuration,
      route: { ...somebodyElses(Route, name), ...child } as Route,
    },
    new Date(0),
  );
  const words = Object.fromEntries(
    (status.conditions ?? []).map(({ type, reason, message }) => [type, `${reason}: ${message}`]),
  );
  const late = (kind: string): string =>
    `OutOfDate: The ${kind} is still working to reflect the latest desired specification.`;
  assert.equal(words['ConfigurationsReady'], late('Configuration'));
  assert.equal(words['RoutesReady'], late('Route'));
});
