import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { Service } from '#api/core-v1/service.ts';
import { isReady } from '#api/meta/conditions.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { INGRESS_CLASS, networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import {
  type App,
  ask,
  type Ask,
  type GatewayBed,
  ready,
  startApp,
  startGatewayBed,
  untilIngress,
} from '#test/support/gateway-bed.ts';
import { hashOf } from './route/ingress-hash.ts';

// Serving specification §5.4 and §5.1, driven by Ingress objects alone.

type Path = NonNullable<NonNullable<Ingress['spec']['rules']>[number]['http']>['paths'][number];
type Split = Path['splits'][number];

interface Bed extends AsyncDisposable {
  readonly bed: GatewayBed;
  readonly apps: readonly App[];
  /** To the public door unless another is named; the headers as the program saw them, and its name. */
  readonly call: (options: Ask, door?: 'public' | 'internal') => Promise<Called>;
}

interface Called {
  readonly status: number;
  readonly name: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  /** Of the answer. */
  readonly answered: http.IncomingHttpHeaders;
}

/** A gateway before Services of these names, each a program that says what it was asked. */
async function startBed(...names: readonly string[]): Promise<Bed> {
  await using resources = new AsyncDisposableStack();
  const bed = resources.use(await startGatewayBed());
  const apps: App[] = [];
  for (const name of names) {
    const app = resources.use(
      await startApp(({ url, headers }, response) => {
        response.end(JSON.stringify({ name, url, headers }));
      }),
    );
    apps.push(app);
    await bed.service(name, [{ name, port: app.port }]);
  }
  const owned = resources.move();
  return {
    bed,
    apps,
    async call(options, door = 'public') {
      const { status, headers, body } = await ask(bed.gateway.ports[door], options);
      const said = status === 200 ? JSON.parse(body) : { name: body };
      return { status, answered: headers, ...said };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function split(serviceName: string, percent = 100, more: Partial<Split> = {}): Split {
  return { serviceNamespace: 'default', serviceName, servicePort: 80, percent, ...more };
}

function rule(
  hosts: string[],
  paths: Path[],
  visibility: 'ExternalIP' | 'ClusterLocal' = 'ExternalIP',
) {
  return { hosts, visibility, http: { paths } };
}

async function serve(bed: GatewayBed, name: string, spec: Ingress['spec']): Promise<Ingress> {
  return await ready(bed.cluster.client, await bed.ingress(name, spec));
}

test('class: only what names ours is served and touched', async () => {
  await using at = await startBed('app');
  const { client } = at.bed.cluster;
  const classes = { none: undefined, empty: '', other: 'incorrect' };
  for (const [name, ingressClass] of Object.entries(classes)) {
    await client.create(Ingress, {
      apiVersion: 'networking.internal.knative.dev/v1alpha1',
      kind: 'Ingress',
      metadata: {
        namespace: 'default',
        name,
        ...(ingressClass !== undefined && {
          annotations: { [networkingKeys.ingressClass]: ingressClass },
        }),
      },
      spec: { rules: [rule([`${name}.example`], [{ splits: [split('app')] }])] },
    });
  }
  // When the one made after them is Ready, they have been seen.
  const ours = { rules: [rule(['ours.example'], [{ splits: [split('app')] }])] };
  const served = await serve(at.bed, 'ours', ours);
  assert.equal(served.metadata.annotations?.[networkingKeys.ingressClass], INGRESS_CLASS);
  for (const name of Object.keys(classes)) {
    assert.equal((await at.call({ host: `${name}.example` })).status, 404);
    const theirs = await client.get(Ingress, { namespace: 'default', name });
    assert.deepEqual([theirs?.status, theirs?.metadata.finalizers], [undefined, undefined]);
  }
});

test('hosts: exact, whatever their case and port; rules know nothing of each other', async () => {
  await using at = await startBed('one', 'two');
  await serve(at.bed, 'a', {
    rules: [
      rule(['one.example', 'uno.example'], [{ splits: [split('one')] }]),
      rule(['two.example'], [{ splits: [split('two')] }]),
    ],
  });
  for (const [host, name] of [
    ['one.example', 'one'],
    ['uno.example:8080', 'one'],
    ['TWO.example:80', 'two'],
  ] as const) {
    assert.equal((await at.call({ host })).name, name, host);
  }
  for (const host of ['example', 'a.one.example', 'one.example.org', 'one.exampl', '127.0.0.1']) {
    assert.equal((await at.call({ host })).status, 404, host);
  }
});

test('visibility: cluster-local hosts, in each form, inside only; external ones on both sides', async () => {
  await using at = await startBed('app');
  const forms = ['app.default.svc.cluster.local', 'app.default.svc', 'app.default'];
  const served = await serve(at.bed, 'a', {
    rules: [
      rule(forms, [{ splits: [split('app')] }], 'ClusterLocal'),
      rule(['app.example'], [{ splits: [split('app')] }]),
    ],
  });
  for (const host of forms) {
    assert.equal((await at.call({ host })).status, 404, host);
    assert.equal((await at.call({ host }, 'internal')).name, 'app', host);
  }
  assert.equal((await at.call({ host: 'app.example' })).name, 'app');
  assert.equal((await at.call({ host: 'app.example' }, 'internal')).name, 'app');
  const { publicLoadBalancer, privateLoadBalancer, conditions } = served.status ?? {};
  assert.deepEqual(
    [publicLoadBalancer?.ingress, privateLoadBalancer?.ingress],
    [
      [{ domainInternal: 'gateway.knative-serving.svc.cluster.local' }],
      [{ domainInternal: 'gateway-internal.knative-serving.svc.cluster.local' }],
    ],
  );
  assert.deepEqual(
    conditions?.map(({ type, status }) => `${type} ${status}`),
    ['LoadBalancerReady True', 'NetworkConfigured True', 'Ready True'],
  );
});

test('paths: the longest prefix, then the order of the list; all headers of a path must be there', async () => {
  await using at = await startBed('app');
  const to = (which: string, more: Partial<Path> = {}): Path => ({
    splits: [split('app')],
    appendHeaders: { which },
    ...more,
  });
  const tag = 'Knative-Serving-Tag';
  await serve(at.bed, 'a', {
    rules: [
      rule(
        ['app.example'],
        [
          to('both', { headers: { [tag]: { exact: 'the-tag' }, 'x-more': { exact: 'yes' } } }),
          to('tag', { headers: { [tag]: { exact: 'the-tag' } } }),
          to('rest'),
          to('never'),
          to('foo', { path: '/foo' }),
          to('foobar', { path: '/foo/bar' }),
        ],
      ),
    ],
  });
  const which = async (path: string, headers = {}) =>
    (await at.call({ host: 'app.example', path, headers })).headers['which'];
  assert.equal(await which('/'), 'rest');
  assert.equal(await which('/asdf?x=/foo'), 'rest');
  assert.equal(await which('/foo'), 'foo');
  assert.equal(await which('/food'), 'foo', 'a literal prefix');
  assert.equal(await which('/foo/bar/baz'), 'foobar');
  assert.equal(await which('/Foo'), 'rest');
  assert.equal(await which('/', { [tag]: 'the-tag' }), 'tag');
  assert.equal(await which('/', { [tag]: 'the-tag', 'x-more': 'yes' }), 'both');
  assert.equal(await which('/', { 'x-more': 'yes' }), 'rest');
  assert.equal(await which('/', { [tag]: '' }), 'rest');
  assert.equal(await which('/', { [tag]: 'not-the-tag' }), 'rest');
});

test('splits: by percent within ten points of a thousand, nothing to none; headers of both levels overwrite', async () => {
  const names = ['unsaid', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'none'];
  const percents = [undefined, 1, 2, 4, 8, 16, 32, 37, 0];
  await using at = await startBed(...names);
  const splits = names.map((name, index) => {
    const appendHeaders = { 'x-split': name, 'x-both': name };
    const { percent = 0, ...unsaid } = split(name, percents[index] ?? 0, { appendHeaders });
    return percents[index] === undefined ? unsaid : { ...unsaid, percent };
  });
  const appendHeaders = { 'x-path': 'path', 'x-both': 'path' };
  await serve(at.bed, 'a', { rules: [rule(['app.example'], [{ splits, appendHeaders }])] });
  const headers = { 'X-Path': 'bogus', 'X-Split': 'bogus', 'X-Both': 'bogus' };
  using agent = new KeptAgent();
  const seen = new Map<string, number>();
  for (let round = 0; round < 1_000; round += 1) {
    const called = await at.call({ host: 'app.example', headers, agent });
    assert.equal(called.headers['x-path'], 'path');
    assert.equal(called.headers['x-split'], called.name);
    assert.equal(called.headers['x-both'], called.name, 'the split is asked last');
    seen.set(called.name, (seen.get(called.name) ?? 0) + 1);
  }
  for (const [index, name] of names.entries()) {
    const [got, wanted] = [(seen.get(name) ?? 0) / 10, percents[index] ?? 0];
    assert.ok(Math.abs(got - wanted) <= 10, `${name}: ${got} % and not ${wanted} %`);
  }
  assert.deepEqual([seen.get('none'), seen.get('unsaid')], [undefined, undefined]);
});

test('headers: values go and are matched as UTF-8', async () => {
  await using at = await startBed('app');
  const matched = {
    headers: { lang: { exact: 'żółw' } },
    appendHeaders: { animal: 'żółw é' },
    splits: [split('app', 100, { appendHeaders: { more: 'é' } })],
  };
  const other = { splits: [split('app')] };
  await serve(at.bed, 'a', { rules: [rule(['app.example'], [matched, other])] });
  const octets = (text: string): string => Buffer.from(text).toString('latin1');
  const { headers } = await at.call({ host: 'app.example', headers: { lang: octets('żółw') } });
  assert.deepEqual([headers['animal'], headers['more']], [octets('żółw é'), octets('é')]);
  const unmatched = await at.call({ host: 'app.example', headers: { lang: 'zolw' } });
  assert.equal(unmatched.headers['animal'], undefined);
});

test('rewriteHost: a host of its own leads through an ExternalName to what is inside', async () => {
  await using at = await startBed('app');
  const { client } = at.bed.cluster;
  const inside = 'front.default.svc.cluster.local';
  const local = rule([inside], [{ splits: [split('app')] }], 'ClusterLocal');
  const { status } = await serve(at.bed, 'inside', { rules: [local] });
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name: 'front' },
    spec: {
      type: 'ExternalName',
      externalName: status?.privateLoadBalancer?.ingress?.[0]?.domainInternal ?? '',
    },
  });
  const vanity = { rewriteHost: inside, splits: [split('front')] };
  await serve(at.bed, 'vanity', { rules: [rule(['vanity.example'], [vanity])] });
  const called = await at.call({ host: 'vanity.example', path: '/x' });
  assert.deepEqual([called.name, called.url], ['app', '/x']);
  // Elsewhere the rewritten host is what the program sees.
  const elsewhere = { rewriteHost: 'elsewhere.example', splits: [split('app')] };
  await serve(at.bed, 'other', { rules: [rule(['other.example'], [elsewhere])] });
  assert.equal((await at.call({ host: 'other.example' })).headers.host, 'elsewhere.example');
});

test('probes: behind a host that leads to another the hash is that of the Ingress of the first', async () => {
  await using at = await startBed('app');
  const { client } = at.bed.cluster;
  await at.bed.revision('hello-00001');
  const inside = 'hello.default.svc.cluster.local';
  const local = rule([inside], [{ splits: [split('hello-00001')] }], 'ClusterLocal');
  const inner = await serve(at.bed, 'inner', { rules: [local] });
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name: 'hello' },
    spec: {
      type: 'ExternalName',
      externalName: inner.status?.privateLoadBalancer?.ingress?.[0]?.domainInternal ?? '',
    },
  });
  const vanity = [{ rewriteHost: inside, splits: [split('hello')] }];
  const outer = await serve(at.bed, 'vanity', { rules: [rule(['vanity.example'], vanity)] });
  const headers = { 'K-Network-Probe': 'probe', 'K-Network-Hash': 'override' };
  const { ports } = at.bed.gateway;
  const asked = async (port: number, host: string) =>
    (await ask(port, { host, headers })).headers['k-network-hash'];
  assert.equal(await asked(ports.public, 'vanity.example'), hashOf(outer));
  assert.equal(await asked(ports.internal, inside), hashOf(inner));
});

test('ports of Services: by number and by name', async () => {
  await using at = await startBed('app');
  const { client } = at.bed.cluster;
  const named = await client.get(Service, { namespace: 'default', name: 'app' });
  assert.deepEqual(
    named?.spec?.ports?.map(({ name, port }) => [name, port]),
    [['http', 80]],
  );
  const rules = ([80, '80', 'http'] as const).map((servicePort) =>
    rule(
      [`${servicePort}${typeof servicePort}.example`],
      [{ splits: [split('app', 100, { servicePort })] }],
    ),
  );
  await serve(at.bed, 'a', { rules });
  for (const { hosts } of rules) {
    const [host = ''] = hosts;
    assert.equal((await at.call({ host })).name, 'app', host);
  }
});

test('answers of 5xx are passed on and not asked for again', async () => {
  await using bed = await startGatewayBed();
  let asked = 0;
  await using app = await startApp((_request, response) => {
    asked += 1;
    response.writeHead(500 + (asked % 5)).end(String(asked));
  });
  await bed.service('app', [{ name: 'a', port: app.port }]);
  await bed.route('app.example', 'app');
  for (let round = 1; round <= 10; round += 1) {
    const answer = await ask(bed.gateway.ports.public, { host: 'app.example' });
    assert.deepEqual([answer.status, answer.body], [500 + (round % 5), String(round)]);
  }
});

test('no timeouts: a program may be late with its answer, and with each part of it', async () => {
  const clock = new FakeClock();
  await using bed = await startGatewayBed({ clock });
  const arrived = Promise.withResolvers<http.ServerResponse>();
  await using app = await startApp((_request, response) => arrived.resolve(response));
  await bed.service('app', [{ name: 'a', port: app.port }]);
  await bed.route('app.example', 'app');
  const request = http.get({
    port: bed.gateway.ports.public,
    host: '127.0.0.1',
    headers: { host: 'app.example' },
    agent: false,
  });
  const program = await arrived.promise;
  clock.advance(3_600_000);
  program.flushHeaders();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  assert.equal(response.statusCode, 200);
  clock.advance(3_600_000);
  program.end('late');
  assert.equal(String((await once(response, 'data'))[0]), 'late');
});

test('bodies stream both ways: each part is answered before the next is sent', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((request, response) => {
    response.flushHeaders();
    request.on('data', (part) => response.write(`${part} back`));
    request.on('end', () => response.end('end'));
  });
  await bed.service('app', [{ name: 'a', port: app.port }]);
  await bed.route('app.example', 'app');
  const request = http.request({
    port: bed.gateway.ports.public,
    host: '127.0.0.1',
    method: 'POST',
    headers: { host: 'app.example' },
    agent: false,
  });
  request.flushHeaders();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  for (let round = 0; round < 10; round += 1) {
    request.write(`part ${round}`);
    const [part] = await once(response, 'data');
    assert.equal(String(part), `part ${round} back`);
  }
  request.end();
  const [end] = await once(response, 'data');
  assert.equal(String(end), 'end');
});

test('websockets: a hundred round trips on one, and two Services share them', async () => {
  await using bed = await startGatewayBed();
  await using blue = await startEcho('blue');
  await using green = await startEcho('green');
  await bed.service('blue', [{ name: 'blue', port: blue.port }]);
  await bed.service('green', [{ name: 'green', port: green.port }]);
  const splits = [split('blue', 50), split('green', 50)];
  await serve(bed, 'a', { rules: [rule(['app.example'], [{ splits }])] });
  const seen = new Set<string>();
  for (let round = 0; round < 100 && seen.size < 2; round += 1) {
    const socket = await openWebSocket(bed.gateway.ports.public, 'app.example');
    const suffix = (await roundTrip(socket, 'first')).slice('first '.length);
    for (let trip = 0; trip < (round === 0 ? 100 : 10); trip += 1) {
      assert.equal(await roundTrip(socket, `ping ${trip}`), `ping ${trip} ${suffix}`);
    }
    seen.add(suffix);
    socket.destroy();
  }
  assert.deepEqual([...seen].toSorted(), ['blue', 'green']);
});

test('a WebSocket of a revision has its timeouts, one of a plain Service has none', async () => {
  const clock = new FakeClock();
  await using bed = await startGatewayBed({ clock });
  await using echo = await startEcho('here');
  const { public: port } = bed.gateway.ports;
  const timeouts = {
    total: { timeoutSeconds: 10 },
    start: { timeoutSeconds: 100, responseStartTimeoutSeconds: 10 },
    idle: { timeoutSeconds: 100, idleTimeoutSeconds: 10 },
  };
  for (const [name, spec] of Object.entries(timeouts)) {
    await bed.revision(name, spec);
    await bed.pods(name, [{ name: 'a', port: echo.port }]);
    await bed.route(`${name}.example`, name);
    const silent = await openWebSocket(port, `${name}.example`);
    const cut = once(silent, 'close');
    clock.advance(9_000);
    assert.equal(silent.destroyed, false, name);
    clock.advance(1_000);
    await cut;
  }
  const started = await openWebSocket(port, 'start.example');
  assert.equal(await roundTrip(started, 'a'), 'a here');
  clock.advance(90_000);
  assert.equal(await roundTrip(started, 'b'), 'b here', 'only its beginning was waited for');
  started.destroy();
  const busy = await openWebSocket(port, 'idle.example');
  for (let turn = 0; turn < 5; turn += 1) {
    assert.equal(await roundTrip(busy, 'a'), 'a here');
    clock.advance(9_000);
  }
  busy.destroy();
  await bed.service('plain', [{ name: 'a', port: echo.port }]);
  await bed.route('plain.example', 'plain');
  const endless = await openWebSocket(port, 'plain.example');
  clock.advance(24 * 3_600_000);
  assert.equal(await roundTrip(endless, 'a'), 'a here');
  endless.destroy();
});

test('updates: what is Ready is served, and no request fails, whatever the Services', async () => {
  await using at = await startBed('first');
  const { bed, call } = at;
  const { client } = bed.cluster;
  await using programs = new AsyncDisposableStack();
  const spec = (service: string, appendHeaders: Record<string, string>) => ({
    rules: [rule(['app.example'], [{ splits: [split(service, 100, { appendHeaders })] }])],
  });
  let current = await serve(bed, 'a', spec('first', { who: 'are-you' }));
  const stop = new AbortController();
  using agent = new KeptAgent();
  const failures: number[] = [];
  const probing = (async () => {
    let count = 0;
    for (; !stop.signal.aborted; count += 1) {
      const { status } = await call({ host: 'app.example', agent });
      if (status !== 200) failures.push(status);
    }
    return count;
  })();
  let previous = 'first';
  for (let update = 0; update < 20; update += 1) {
    const who = `sentinel-${update}`;
    const service = update < 10 ? 'first' : `fresh-${update}`;
    const wanted = { ...current, spec: spec(service, { who }) };
    const updated = client.update(Ingress, wanted);
    // The Service is made at the same moment: which of the two the gateway hears of first is not said.
    if (service !== 'first') {
      const app = programs.use(
        await startApp((request, response) => {
          response.end(JSON.stringify({ name: service, headers: request.headers }));
        }),
      );
      await bed.service(service, [{ name: service, port: app.port }]);
    }
    current = await untilIngress(client, await updated, isReady);
    assert.equal((await call({ host: 'app.example' })).headers['who'], who);
    if (previous !== service)
      await client.delete(Service, { namespace: 'default', name: previous });
    previous = service;
  }
  stop.abort();
  assert.ok((await probing) >= 20);
  assert.deepEqual(failures, []);
});

test('a Service without a ready endpoint keeps a new Ingress waiting, and an old one served', async () => {
  await using at = await startBed('app');
  const { bed, call } = at;
  const { client } = bed.cluster;
  const spec = (service: string) => ({
    rules: [rule(['app.example'], [{ splits: [split(service)] }])],
  });
  const old = await serve(bed, 'a', spec('app'));
  await bed.service('later', [{ name: 'later', port: 1, isReady: false }]);
  const updated = await client.update(Ingress, { ...old, spec: spec('later') });
  const waiting = await untilIngress(
    client,
    updated,
    ({ status }) => status?.observedGeneration === updated.metadata.generation,
  );
  const of = (type: string) => waiting.status?.conditions?.find((one) => one.type === type);
  assert.equal(of('NetworkConfigured')?.status, 'True');
  assert.deepEqual(
    [of('Ready')?.status, of('Ready')?.reason, of('Ready')?.message],
    ['Unknown', 'EndpointsMissing', 'Service default/later has no ready endpoint yet'],
  );
  assert.equal((await call({ host: 'app.example' })).name, 'app');
  await using later = await startApp((_request, response) =>
    response.end(JSON.stringify({ name: 'later' })),
  );
  await bed.service('later', [{ name: 'later', port: later.port }]);
  const served = await ready(client, waiting);
  assert.equal((await call({ host: 'app.example' })).name, 'later');
  // Endpoints that go again are the program's affair.
  await bed.service('later', []);
  await bed.service('witness', [{ name: 'a', port: later.port }]);
  await bed.route('witness.example', 'witness');
  assert.equal((await call({ host: 'app.example' })).status, 503);
  const ref = { namespace: 'default', name: served.metadata.name ?? '' };
  const still = await client.get(Ingress, ref);
  assert.ok(still && isReady(still));
});

test('a host of two Ingresses is the older one’s; the other says whose it is', async () => {
  await using at = await startBed('one', 'two');
  const { client } = at.bed.cluster;
  const spec = (service: string, ...hosts: string[]) => ({
    rules: [rule(hosts, [{ splits: [split(service)] }])],
  });
  await serve(at.bed, 'older', spec('one', 'app.example'));
  const made = await at.bed.ingress('younger', spec('two', 'two.example', 'app.example'));
  const told = await untilIngress(client, made, ({ status }) => status !== undefined);
  const condition = told.status?.conditions?.find(({ type }) => type === 'LoadBalancerReady');
  assert.deepEqual(
    [condition?.status, condition?.reason, condition?.message],
    [
      'False',
      'DomainConflict',
      'host app.example is served for Ingress default/older, which is older',
    ],
  );
  assert.equal((await at.call({ host: 'app.example' })).name, 'one');
  assert.equal((await at.call({ host: 'two.example' })).status, 404);
  await client.delete(Ingress, { namespace: 'default', name: 'older' });
  await ready(client, told);
  assert.equal((await at.call({ host: 'app.example' })).name, 'two');
});

test('probes: the hash of what is served is set for who asks for it; another is passed on as it is', async () => {
  await using at = await startBed('app');
  const served = await serve(at.bed, 'a', {
    rules: [
      {
        http: { paths: [{ appendHeaders: { b: '<1>', a: '2' }, splits: [split('app')] }] },
        hosts: ['app.example'],
      },
    ],
  });
  // As Go writes it: upstream's probers compute it so.
  const text =
    '{"rules":[{"hosts":["app.example"],"visibility":"ExternalIP","http":{"paths":[{"splits":' +
    '[{"serviceNamespace":"default","serviceName":"app","servicePort":80,"percent":100}],' +
    '"appendHeaders":{"a":"2","b":"\\u003c1\\u003e"}}]}}]}defaulta';
  const hash = createHash('sha256').update(text).digest('hex');
  const seen = async (headers: http.OutgoingHttpHeaders) =>
    (await at.call({ host: 'app.example', headers })).headers;
  const probe = { 'K-Network-Probe': 'probe' };
  const overridden = await seen({ ...probe, 'K-Network-Hash': 'override' });
  assert.deepEqual([overridden['k-network-hash'], overridden['k-network-probe']], [hash, 'probe']);
  assert.equal((await seen({ ...probe, 'K-Network-Hash': 'other' }))['k-network-hash'], 'other');
  assert.equal((await seen({ 'K-Network-Hash': 'override' }))['k-network-hash'], hash);
  assert.equal((await seen({}))['k-network-hash'], undefined);
  assert.equal(served.metadata.name, 'a');
});

/** Keeps connections, and closes them in the end. */
class KeptAgent extends http.Agent implements Disposable {
  constructor() {
    super({ keepAlive: true });
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** A WebSocket server as small as can be: text frames below 126 bytes come back with its name behind them. */
async function startEcho(name: string): Promise<App> {
  const app = await startApp((_request, response) => response.writeHead(426).end());
  app.server.on('upgrade', (request, socket: Socket) => {
    const key = String(request.headers['sec-websocket-key']);
    const accept = createHash('sha1')
      .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('data', (frame: Buffer) => {
      const mask = frame.subarray(2, 6);
      const text = frame.subarray(6).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
      const reply = Buffer.from(`${Buffer.from(text).toString()} ${name}`);
      socket.write(Buffer.concat([Buffer.from([0x81, reply.length]), reply]));
    });
  });
  return app;
}

async function openWebSocket(port: number, host: string): Promise<Socket> {
  const request = http.request({
    port,
    host: '127.0.0.1',
    agent: false,
    headers: {
      host,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    },
  });
  request.end();
  const [response, socket] = (await once(request, 'upgrade')) as [http.IncomingMessage, Socket];
  assert.equal(response.headers.upgrade, 'websocket');
  return socket;
}

async function roundTrip(socket: Socket, text: string): Promise<string> {
  const mask = randomBytes(4);
  const masked = Buffer.from(text).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, masked]));
  const [frame] = (await once(socket, 'data')) as [Buffer];
  return frame.subarray(2).toString();
}
