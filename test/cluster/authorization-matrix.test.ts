import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { forEachLimited } from '#images/for-each-limited.ts';
import {
  clusterUnderTest,
  uniqueName,
  type ClusterUnderTest,
} from '#test/support/cluster-under-test.ts';
import { twoTenants } from '#test/support/two-tenants.ts';
import { at, type WireClient } from '#test/support/wire.ts';

/** At once; more would only wait in the server. */
const LIMIT = 16;

interface Discovered {
  /** `/api/v1` */
  readonly root: string;
  /** `pods`, `pods/log` */
  readonly name: string;
  readonly namespaced: boolean;
}

/** Everything the server says it serves, subresources included. */
async function discover(cluster: ClusterUnderTest): Promise<readonly Discovered[]> {
  const { body } = await cluster.send('GET', '/apis');
  const groups = (at(body, 'groups') ?? []) as { versions: { groupVersion: string }[] }[];
  const roots = groups.flatMap(({ versions }) =>
    versions.map((each) => `/apis/${each.groupVersion}`),
  );
  const found: Discovered[] = [];
  for (const root of ['/api/v1', ...roots]) {
    const list = await cluster.send('GET', root);
    if (list.status !== 200) continue;
    const resources = at(list.body, 'resources') as Omit<Discovered, 'root'>[];
    found.push(...resources.map(({ name, namespaced }) => ({ root, name, namespaced })));
  }
  return found;
}

interface Attempt {
  readonly method: string;
  readonly target: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const LIST_QUERIES = [
  '',
  '?limit=1',
  '?watch=1&timeoutSeconds=1',
  '?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
  '?fieldSelector=metadata.name%3Dthere',
  '?fieldSelector=metadata.name%3Dnope',
  '?labelSelector=canary',
  '?resourceVersion=0',
];
const APPLY = { 'content-type': 'application/apply-patch+yaml' };
const MERGE = { 'content-type': 'application/merge-patch+json' };

/** Every verb on one resource, in a namespace where it has one; a name is asked for by the name `*`. */
function attemptsOn({ root, name, namespaced }: Discovered, namespace: string): Attempt[] {
  const [plural = '', ...sub] = name.split('/');
  const collections = namespaced
    ? [`${root}/namespaces/${namespace}/${plural}`, `${root}/${plural}`]
    : [`${root}/${plural}`];
  // What has no namespace in its path is only a collection, where the kind has one.
  const [own = ''] = collections;
  const item = `${own}/*${sub.map((part) => `/${part}`).join('')}`;
  const writes: Attempt[] = [
    { method: 'POST', target: item, body: {} },
    { method: 'PUT', target: item, body: { metadata: { name: '*' } } },
    { method: 'PATCH', target: item, body: {}, headers: MERGE },
    { method: 'PATCH', target: `${item}?fieldManager=m&force=true`, body: {}, headers: APPLY },
    { method: 'DELETE', target: item },
    { method: 'DELETE', target: `${item}?dryRun=All` },
  ];
  const reads: Attempt[] = ['', '?watch=1', '?resourceVersion=0'].map((query) => ({
    method: 'GET',
    target: `${item}${query}`,
  }));
  if (sub.length > 0) return [...reads, ...writes];
  const lists = collections.flatMap((collection): Attempt[] => [
    ...LIST_QUERIES.map((query) => ({ method: 'GET', target: `${collection}${query}` })),
    { method: 'DELETE', target: collection },
  ]);
  return [...lists, { method: 'POST', target: own, body: {} }, ...reads, ...writes];
}

/** Whoever is authenticated may ask about themselves. */
const ANYBODY = new Set([
  'selfsubjectaccessreviews',
  'selfsubjectrulesreviews',
  'selfsubjectreviews',
]);

interface Outcome {
  asked: number;
  readonly wrong: string[];
}

async function attempt(client: WireClient, what: Attempt, outcome: Outcome): Promise<void> {
  const replyFor = async (name: string): Promise<string> => {
    const { method, target, body, headers } = what;
    const path = target.replace('*', name);
    const text = body === undefined ? undefined : JSON.stringify(body).replace('*', name);
    const reply = await client.send(method, path, text, { ...(headers && { headers }) });
    outcome.asked += 1;
    const { status } = reply;
    if (status !== 403 || at(reply.body, 'reason') !== 'Forbidden') {
      outcome.wrong.push(
        `${method} ${path}: ${status} ${JSON.stringify(reply.body)}`.slice(0, 300),
      );
    }
    return JSON.stringify(reply.body).replaceAll(name, '*');
  };
  const first = await replyFor('there');
  if (!what.target.includes('*')) return;
  const second = await replyFor('nope');
  if (first !== second) outcome.wrong.push(`${what.target}: ${first} against ${second}`);
}

async function tryAll(
  context: TestContext,
  client: WireClient,
  attempts: readonly Attempt[],
): Promise<number> {
  const outcome: Outcome = { asked: 0, wrong: [] };
  await forEachLimited(attempts, { limit: LIMIT, signal: context.signal }, (each) =>
    attempt(client, each, outcome),
  );
  assert.deepEqual(outcome.wrong.slice(0, 20), [], `${outcome.wrong.length} were let in`);
  return outcome.asked;
}

async function defineKinds(cluster: ClusterUnderTest): Promise<void> {
  for (const scope of ['Namespaced', 'Cluster']) {
    const group = `${uniqueName('g')}.example.com`;
    const schema = {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
    };
    const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' };
    const made = await cluster.send(
      'POST',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      {
        metadata: { name: `things.${group}` },
        spec: {
          group,
          scope,
          names: { plural: 'things', kind: 'Thing' },
          versions: [
            {
              name: 'v1',
              served: true,
              storage: true,
              schema: { openAPIV3Schema: schema },
              subresources: { status: {}, scale },
            },
          ],
        },
      },
    );
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const definition = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions`;
    for await (const { object } of cluster.watch(
      `${definition}?watch=1&fieldSelector=metadata.name%3Dthings.${group}`,
    )) {
      const conditions = (at(object, 'status.conditions') ?? []) as Record<string, string>[];
      if (conditions.some(({ type, status }) => type === 'Established' && status === 'True')) break;
    }
  }
}

/** One of each that needs little, so that there is something to find. */
const SIMPLE = [
  ['/api/v1', 'configmaps', {}],
  ['/api/v1', 'serviceaccounts', {}],
  ['/api/v1', 'limitranges', { spec: { limits: [{ type: 'Pod', max: { cpu: '1' } }] } }],
  ['/api/v1', 'resourcequotas', { spec: { hard: { pods: '9' } } }],
  ['/api/v1', 'services', { spec: { ports: [{ port: 80 }] } }],
  ['/api/v1', 'endpoints', {}],
  ['/apis/coordination.k8s.io/v1', 'leases', {}],
  ['/apis/rbac.authorization.k8s.io/v1', 'roles', { rules: [] }],
  ['/apis/discovery.k8s.io/v1', 'endpointslices', { addressType: 'IPv4', endpoints: [] }],
] as const;

test('authorization: one namespace’s admin, and nobody at all, against everything of another and of the cluster', async (context) => {
  const cluster = await clusterUnderTest();
  const { own, other, robot, stranger } = await twoTenants(cluster);
  await defineKinds(cluster);
  for (const [root, plural, body] of SIMPLE) {
    const made = await cluster.send('POST', `${root}/namespaces/${other}/${plural}`, {
      metadata: { name: 'there' },
      ...body,
    });
    assert.equal(made.status, 201, `${plural}: ${JSON.stringify(made.body)}`);
  }
  const discovered = await discover(cluster);
  const kinds = discovered.filter(({ name }) => !name.includes('/'));
  assert.ok(kinds.length >= 40, `only ${kinds.length} kinds were discovered`);
  const guarded = discovered.filter(({ name }) => !ANYBODY.has(name));
  const asRobot = guarded.flatMap((each) => attemptsOn(each, other));
  const asStranger = guarded.flatMap((each) => attemptsOn(each, own));
  const asked =
    (await tryAll(context, robot, asRobot)) + (await tryAll(context, stranger, asStranger));
  context.diagnostic(
    `${kinds.length} kinds, ${discovered.length - kinds.length} subresources: ${asked} requests refused`,
  );
  assert.ok(asked > 4000, `only ${asked} were asked`);
  // The matrix would also be green if the tokens were worth nothing.
  const secrets = `/api/v1/namespaces/${own}/secrets`;
  assert.equal((await robot.send('GET', secrets)).status, 200);
  assert.equal((await stranger.send('GET', '/api/v1')).status, 200);
});
