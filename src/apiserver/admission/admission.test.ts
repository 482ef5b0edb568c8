import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Revision } from '#api/serving-v1/revision.ts';
import { scanJsonFields } from '#apiserver/admission/json-fields.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import {
  array,
  boolean,
  integer,
  map,
  object,
  optional,
  string,
  intOrString,
} from '#api/schema.ts';
import { keyOf } from '#apiserver/stored-object.ts';
import { at, pod, startWire, type Wire } from '#test/support/wire.ts';

const SERVICES = '/api/v1/namespaces/default/services';

const service = (name: string, spec: object = {}): object => ({
  metadata: { name },
  spec: { ports: [{ port: 80 }], ...spec },
});

function startServices(range = '10.96.0.0/16'): Promise<Wire> {
  return startWire({ services: { range, reserved: ['10.96.0.1'] } });
}

test('services: each gets an address of the range, and keeps it', async () => {
  await using wire = await startServices();
  const { body } = await wire.send('POST', SERVICES, service('a'));
  const address = at(body, 'spec.clusterIP');
  assert.match(String(address), /^10\.96\.\d+\.\d+$/);
  assert.deepEqual(at(body, 'spec.clusterIPs'), [address]);
  assert.deepEqual(at(body, 'spec.ports'), [{ port: 80, protocol: 'TCP', targetPort: 80 }]);
  const replaced = await wire.send(
    'PUT',
    `${SERVICES}/a`,
    service('a', { selector: { app: 'a' } }),
  );
  assert.equal(at(replaced.body, 'spec.clusterIP'), address);
  const moved = await wire.send('PUT', `${SERVICES}/a`, service('a', { clusterIP: '10.96.3.3' }));
  assert.equal(moved.status, 422);
});

test('services: a fixed address is honoured, once, inside the range', async () => {
  await using wire = await startServices();
  const at7 = { clusterIP: '10.96.0.7' };
  assert.equal((await wire.send('POST', SERVICES, service('a', at7))).status, 201);
  const again = await wire.send('POST', SERVICES, service('b', at7));
  assert.equal(again.status, 422);
  assert.match(String(at(again.body, 'message')), /provided IP is already allocated/);
  const outside = await wire.send('POST', SERVICES, service('b', { clusterIP: '192.168.0.1' }));
  assert.equal(outside.status, 422);
  const reserved = await wire.send('POST', SERVICES, service('r', { clusterIP: '10.96.0.1' }));
  assert.equal(reserved.status, 201, 'a reserved address is for whoever names it');
  await wire.send('DELETE', `${SERVICES}/a`);
  assert.equal((await wire.send('POST', SERVICES, service('b', at7))).status, 201);
});

test('services: headless ones and external names have no address', async () => {
  await using wire = await startServices();
  const headless = await wire.send(
    'POST',
    SERVICES,
    service('a', { clusterIP: 'None', ports: [] }),
  );
  assert.equal(at(headless.body, 'spec.clusterIP'), 'None');
  const external = {
    metadata: { name: 'b' },
    spec: { type: 'ExternalName', externalName: 'example.com' },
  };
  assert.equal(at((await wire.send('POST', SERVICES, external)).body, 'spec.clusterIP'), undefined);
});

test('services: all at once, and not one address twice; a full range says so', async () => {
  await using wire = await startServices('10.96.0.0/28');
  const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
  const replies = await Promise.all(
    names.map((name) => wire.send('POST', SERVICES, service(name))),
  );
  const made = replies.filter(({ status }) => status === 201);
  const addresses = new Set(made.map(({ body }) => at(body, 'spec.clusterIP')));
  assert.equal(addresses.size, made.length);
  assert.equal(made.length, 13, '14 usable addresses, one of them reserved');
  const refused = replies.find(({ status }) => status !== 201);
  assert.match(String(at(refused?.body, 'message')), /range is full/);
});

test('services: node ports for those reachable from outside', async () => {
  await using wire = await startServices();
  const { body } = await wire.send('POST', SERVICES, service('a', { type: 'LoadBalancer' }));
  const port = Number(at(body, 'spec.ports.0.nodePort'));
  assert.ok(port >= 30_000 && port <= 32_767);
  assert.equal(at(body, 'spec.externalTrafficPolicy'), 'Cluster');
  const taken = service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: port }] });
  assert.equal((await wire.send('POST', SERVICES, taken)).status, 422);
  const low = service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] });
  const refused = await wire.send('POST', SERVICES, low);
  assert.match(String(at(refused.body, 'message')), /valid ports is 30000-32767$/);
  const writes = ['x', 'y', 'z'].map((app) =>
    wire.send(
      'PATCH',
      `${SERVICES}/a`,
      { spec: { selector: { app } } },
      { headers: { 'content-type': 'application/merge-patch+json' } },
    ),
  );
  const statuses = (await Promise.all(writes)).map(({ status }) => status);
  assert.deepEqual(statuses, [200, 200, 200], 'what it has is its own');
  const inside = await wire.send('PUT', `${SERVICES}/a`, service('a', { type: 'ClusterIP' }));
  assert.equal(at(inside.body, 'spec.ports.0.nodePort'), undefined);
});

test('services: one node port for one port by two protocols, and no addresses of others', async () => {
  await using wire = await startServices();
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53 },
  ];
  const { body } = await wire.send('POST', SERVICES, service('a', { type: 'NodePort', ports }));
  assert.equal(at(body, 'spec.ports.0.nodePort'), at(body, 'spec.ports.1.nodePort'));
  const refused = await wire.send('POST', SERVICES, service('b', { externalIPs: ['8.8.8.8'] }));
  assert.equal(refused.status, 403);
  assert.match(String(at(refused.body, 'message')), /Use of external IPs is denied/);
});

test('pods: what Kubernetes fills in, clients rely on', async () => {
  await using wire = await startWire();
  const { body } = await wire.send(
    'POST',
    '/api/v1/namespaces/default/pods',
    pod('a', {
      spec: {
        containers: [
          {
            name: 'main',
            image: 'sample',
            ports: [{ containerPort: 80 }],
            readinessProbe: { httpGet: { port: 80 } },
            resources: { limits: { cpu: 1, memory: '64Mi' } },
          },
        ],
      },
    }),
  );
  const { nodeName: _, ...spec } = at(body, 'spec') as Record<string, unknown>;
  assert.deepEqual(spec, {
    containers: [
      {
        name: 'main',
        image: 'sample',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        readinessProbe: {
          httpGet: { port: 80, path: '/', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        resources: { limits: { cpu: '1', memory: '64Mi' }, requests: { cpu: '1', memory: '64Mi' } },
        imagePullPolicy: 'Always',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    securityContext: {},
    enableServiceLinks: true,
    serviceAccountName: 'default',
    serviceAccount: 'default',
    preemptionPolicy: 'PreemptLowerPriority',
    priority: 0,
    tolerations: ['not-ready', 'unreachable'].map((trouble) => ({
      key: `node.kubernetes.io/${trouble}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 300,
    })),
  });
  assert.deepEqual(at(body, 'status'), { phase: 'Pending', qosClass: 'Guaranteed' });
});

test('pods: their spec stays, but for a few fields', async () => {
  await using wire = await startWire();
  const PODS = '/api/v1/namespaces/default/pods';
  const { body } = await wire.send('POST', PODS, pod('a'));
  const headers = { 'content-type': 'application/strategic-merge-patch+json' };
  const changed = (container: object): Promise<{ status: number }> =>
    wire.send(
      'PATCH',
      `${PODS}/a`,
      { spec: { containers: [{ name: 'main', ...container }] } },
      { headers },
    );
  assert.equal((await changed({ image: 'sample:v2' })).status, 200);
  assert.equal((await changed({ command: ['sh'] })).status, 422);
  assert.equal(at(body, 'metadata.generation'), 1);
});

test('secrets: what is written plain is stored encoded, and wrong encodings are not repeated', async () => {
  await using wire = await startWire();
  const SECRETS = '/api/v1/namespaces/default/secrets';
  const { body } = await wire.send('POST', SECRETS, {
    metadata: { name: 'a' },
    stringData: { key: 'value' },
  });
  assert.deepEqual(at(body, 'data'), { key: 'dmFsdWU=' });
  assert.equal(at(body, 'stringData'), undefined);
  assert.equal(at(body, 'type'), 'Opaque');
  const wrong = await wire.send('POST', SECRETS, {
    metadata: { name: 'b' },
    data: { key: 'hunter2!' },
  });
  assert.equal(wrong.status, 400);
  assert.match(String(at(wrong.body, 'message')), /illegal base64 data at input byte 7$/);
  assert.doesNotMatch(JSON.stringify(wrong.body), /hunter2/);
});

test('config maps: immutable means so', async () => {
  await using wire = await startWire();
  const target = '/api/v1/namespaces/default/configmaps';
  await wire.send('POST', target, { metadata: { name: 'a' }, data: { x: '1' }, immutable: true });
  assert.equal(
    (
      await wire.send('PUT', `${target}/a`, {
        metadata: { name: 'a' },
        data: { x: '2' },
        immutable: true,
      })
    ).status,
    422,
  );
  assert.equal(
    (await wire.send('PUT', `${target}/a`, { metadata: { name: 'a' }, data: { x: '1' } })).status,
    422,
  );
});

test('JSON: doubled keys by their path, also where escapes hide them', () => {
  const duplicatesIn = (text: string): readonly string[] =>
    scanJsonFields(text, { depthMax: 100 }).duplicates;
  assert.deepEqual(duplicatesIn('{"a":[{"b":1},{"c":1,"c":2}],"d":"}{,\\"","a":1}'), [
    'a[1].c',
    'a',
  ]);
  assert.deepEqual(duplicatesIn(String.raw`{"a":1,"\u0061":2,"b\\":1,"b":2}`), ['a']);
  assert.deepEqual(duplicatesIn('[{},{},"{",[[]]]'), []);
  assert.equal(scanJsonFields('[[[[]]]]', { depthMax: 100 }).depth, 4);
});

test('schemas: a kind of our own is pruned, defaulted and checked', () => {
  const schema = object({
    name: string({ pattern: '^[a-z]+$' }),
    size: optional(integer({ minimum: 1, maximum: 9, default: 3 })),
    mode: optional(string({ enum: ['fast', 'slow'] })),
    port: optional(intOrString()),
    flags: optional(map(boolean())),
    parts: optional(
      array(object({ key: string(), on: optional(boolean({ default: true })) }), {
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['key'],
      }),
    ),
  });
  const value: Record<string, unknown> = {
    name: 'a',
    mode: null,
    extra: 1,
    parts: [{ key: 'x', more: 1 }],
  };
  assert.deepEqual(walkSchema(schema, value), {
    errors: [],
    undecodable: [],
    unknown: ['extra', 'parts[0].more'],
  });
  assert.deepEqual(value, { name: 'a', size: 3, parts: [{ key: 'x', on: true }] });
  const bad = {
    name: 'A',
    size: 10,
    mode: 'x',
    port: 1.5,
    flags: { a: 'yes' },
    parts: [{ key: 'x' }, { key: 'x' }, {}],
  };
  assert.deepEqual(
    walkSchema(schema, bad).errors.map(({ path, reason }) => `${path} ${reason ?? ''}`.trim()),
    [
      'name',
      'size',
      'mode FieldValueNotSupported',
      'port FieldValueTypeInvalid',
      'flags.a FieldValueTypeInvalid',
      'parts[2].key FieldValueRequired',
      'parts[1] FieldValueDuplicate',
    ],
  );
});

test('admission: of a list that has an item twice already nothing is said, nor of it where a status is told', async () => {
  await using wire = await startWire();
  const revisions = '/apis/serving.knative.dev/v1/namespaces/default/revisions';
  const env = [{ name: 'A', value: '1' }];
  const item = JSON.stringify(env[0]);
  const twice = `${item},${item}`;
  const revision = (of: object[]): object => ({
    metadata: { name: 'a' },
    spec: { containers: [{ image: 'a', env: of }] },
  });
  const refused = await wire.send('POST', revisions, revision([...env, ...env]));
  assert.equal(refused.status, 422);
  assert.match(String(at(refused.body, 'message')), /env\[1\]: Duplicate value: \{"name":"A"\}/);
  const { body: made } = await wire.send('POST', revisions, revision(env));
  const doubled = JSON.parse(JSON.stringify(made).replace(item, twice)) as unknown;
  assert.equal((await wire.send('PUT', `${revisions}/a`, doubled)).status, 422);

  // As a server wrote it to which such a list was one of any items.
  const entry = await wire.store.get(keyOf(Revision, 'default', 'a'));
  assert.ok(entry);
  await wire.store.update(entry.key, entry.value.replace(item, twice), entry.modified);
  const { body: stored } = await wire.send('GET', `${revisions}/a`);
  assert.equal(at(stored, 'spec.containers.0.env.1.name'), 'A');
  const told = { ...(stored as object), status: { logUrl: 'http://logs' } };
  const status = await wire.send('PUT', `${revisions}/a/status`, told);
  assert.equal(at(status.body, 'status.logUrl'), 'http://logs');
  const labels = { metadata: { labels: { x: 'y' } } };
  const headers = { 'content-type': 'application/merge-patch+json' };
  const labelled = await wire.send('PATCH', `${revisions}/a`, labels, { headers });
  assert.equal(at(labelled.body, 'metadata.labels.x'), 'y');
  assert.equal(at(labelled.body, 'spec.containers.0.env.1.name'), 'A');
});
