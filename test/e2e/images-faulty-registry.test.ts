import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { digestOf } from '#images/digest.ts';
import { buildImage } from '#images/layer-builder/build-image.ts';
import { platformOf } from '#images/manifest.ts';
import { openTestStore, startTestRegistry, temporaryFolder } from '#test/support/image-fixture.ts';
import {
  type Meddle,
  type MeddlingProxy,
  passOn,
  startMeddlingProxy,
} from '#test/support/meddling-proxy.ts';
import { call, startPlatform, type Platform } from '#test/support/platform.ts';

/*
 * F15: a Service whose image comes from a registry that is down, busy, slow, truncating or lying. Whatever it does, the
 * last good revision answers each request, and what is wrong is told; once the registry is well the new revision comes.
 */

const TEST_MS = 300_000;

let it: Platform;
let proxy: MeddlingProxy;
let registryHost: string;
let url: string;
/** Builds and publishes an image that answers with `text`; its reference at the registry that misbehaves. */
let build: (text: string) => Promise<string>;
const owned = new AsyncDisposableStack();

before(async () => {
  const folder = owned.use(await temporaryFolder());
  const store = await openTestStore(folder.path);
  const registry = owned.use(await startTestRegistry(store));
  registryHost = registry.host;
  proxy = owned.use(await startMeddlingProxy(registryHost));
  it = owned.use(await startPlatform());
  build = async (text) => {
    const source = path.join(folder.path, text);
    await mkdir(source);
    const answer = JSON.stringify(text);
    await writeFile(
      path.join(source, 'server.js'),
      `require('http').createServer((_q, r) => r.end(${answer})).listen(process.env.PORT);`,
    );
    const reference = `${proxy.host}/hello:${text}`;
    const platform = platformOf(process.arch);
    const { nodePath, signal } = {
      nodePath: process.execPath,
      signal: AbortSignal.timeout(60_000),
    };
    await buildImage({ source, nodePath, platform, store, reference, signal });
    return reference;
  };
  await apply(await build('first'));
  await it.ok(['wait', 'ksvc/hello', '--for=condition=Ready', '--timeout=60s']);
  url = await it.ok(['get', 'ksvc', 'hello', '-o', 'jsonpath={.status.url}']);
  assert.equal((await call(url)).body, 'first');
});

after(async () => await owned[Symbol.asyncDispose]());

async function apply(image: string, more: Record<string, string> = {}): Promise<void> {
  const annotations = { 'autoscaling.knative.dev/min-scale': '1', ...more };
  const service = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'hello' },
    spec: { template: { metadata: { annotations }, spec: { containers: [{ image }] } } },
  };
  await it.ok(['apply', '-f', '-'], JSON.stringify(service));
}

/** Calls the Service without a pause until it is disposed of: it has to answer as it does now, or already as `next`. */
async function keepCalling(
  next?: string,
): Promise<AsyncDisposable & { readonly count: () => number }> {
  const { body: current } = await call(url);
  let count = 0;
  let isOver = false;
  const calling = (async () => {
    for (; !isOver; count += 1) {
      const { status, body } = await call(url);
      assert.ok(status === 200 && (body === current || body === next), `${status} ${body}`);
    }
  })();
  calling.catch(() => undefined);
  return {
    count: () => count,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await calling;
      assert.ok(count > 0, 'it was called');
    },
  };
}

/** Resolves when the Service's newest revision is ready and has the traffic. */
async function serves(text: string): Promise<void> {
  const created = await it.ok([
    'get',
    'ksvc',
    'hello',
    '-o',
    'jsonpath={.status.latestCreatedRevisionName}',
  ]);
  for (const condition of [
    `jsonpath={.status.latestReadyRevisionName}=${created}`,
    'condition=Ready',
  ])
    await it.ok(['wait', 'ksvc/hello', `--for=${condition}`, '--timeout=100s']);
  assert.equal((await call(url)).body, text);
}

/** What `kubectl get` says of the kind, once that is `words`. */
async function saysOf(kind: 'revision' | 'ksvc' | 'pods', words: RegExp): Promise<string> {
  const watch = it.kubectlInBackground(['get', kind, '--watch', '-o', 'json']);
  try {
    return await watch.until(words);
  } finally {
    watch.kill();
  }
}

const isFor =
  (tag: string): ((line: string) => boolean) =>
  (line) =>
    line.includes(`/hello/manifests/${tag}`);

test('F15: a registry that is down', { timeout: TEST_MS }, async () => {
  const image = await build('down');
  proxy.meddle = ({ socket }) => {
    socket.destroy();
    return true;
  };
  {
    await using _calls = await keepCalling('down');
    await apply(image);
    await saysOf('revision', /Unable to fetch image .*hello:down.*: registry 127\.0\.0\.1/);
    await saysOf('ksvc', /Unable to fetch image .*hello:down/);
    const ready = await it.ok([
      'get',
      'ksvc',
      'hello',
      '-o',
      'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
    ]);
    assert.equal(ready, 'False');
    proxy.meddle = passOn;
    await serves('down');
  }
});

test('F15: a registry that limits how often it is asked', { timeout: TEST_MS }, async () => {
  const image = await build('busy');
  let left = 3;
  const atMs: number[] = [];
  proxy.asked.length = 0;
  proxy.meddle = ({ url: target = '' }, response) => {
    if (!target.includes('/hello/manifests/busy')) return false;
    atMs.push(performance.now());
    left -= 1;
    if (left < 0) return false;
    response.writeHead(429, { 'retry-after': '2' }).end('{"errors":[{"code":"TOOMANYREQUESTS"}]}');
    return true;
  };
  await using _calls = await keepCalling('busy');
  await apply(image);
  await serves('busy');
  // Three refusals and the answer; never sooner than it was told.
  assert.equal(proxy.asked.filter(isFor('busy')).length, 4);
  const pauses = atMs.slice(1).map((each, at) => each - (atMs[at] ?? 0));
  assert.ok(
    pauses.every((ms) => ms >= 1_990),
    `pauses of ${pauses.map(Math.round).join(', ')} ms`,
  );
});

test(
  'F15: a registry that never lets anybody in says so in the status, and is not hammered',
  { timeout: TEST_MS },
  async () => {
    const image = await build('limit');
    proxy.asked.length = 0;
    proxy.meddle = (_request, response) => {
      response.writeHead(429, { 'retry-after': '25' }).end();
      return true;
    };
    await using _calls = await keepCalling('limit');
    await apply(image);
    await saysOf('ksvc', /hello:limit.*status 429; it limits how often it is asked/);
    // The pause it asks for is longer than an attempt may take: one request for each.
    assert.ok(proxy.asked.filter(isFor('limit')).length <= 2, proxy.asked.join('\n'));
    proxy.meddle = passOn;
    await serves('limit');
  },
);

function sent(response: ServerResponse, piece: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  response.write(piece, (error) => (error ? reject(error) : resolve()));
  return promise;
}

/** Answers with what the registry has, changed by `change`, a piece at a time. */
function changed(change: (body: Buffer) => AsyncIterable<Buffer> | Iterable<Buffer>): Meddle {
  return ({ method = 'GET', url: target = '', headers }, response) => {
    const asked = { method, headers: { accept: headers.accept ?? '*/*' } };
    const answer = async (): Promise<void> => {
      const reply = await fetch(`http://${registryHost}${target}`, asked);
      const body = Buffer.from(await reply.arrayBuffer());
      const { 'content-length': _length, ...said } = Object.fromEntries(reply.headers);
      response.writeHead(reply.status, said);
      for await (const piece of change(body)) await sent(response, piece);
      response.end();
    };
    answer().catch(() => response.destroy());
    return true;
  };
}

test('F15: a registry that sends a thousand bytes a second', { timeout: TEST_MS }, async () => {
  const image = await build('slow');
  proxy.meddle = changed(async function* (body) {
    for (let at = 0; at < body.length; at += 100) {
      yield body.subarray(at, at + 100);
      await sleep(systemClock, 100);
    }
  });
  await using calls = await keepCalling('slow');
  await apply(image);
  await serves('slow');
  assert.ok(calls.count() > 0);
  proxy.meddle = passOn;
});

test('F15: a registry that breaks off in the middle', { timeout: TEST_MS }, async () => {
  const image = await build('short');
  const ranges: string[] = [];
  const cut = new Set<string>();
  proxy.asked.length = 0;
  const half = changed(function* (body) {
    yield body.subarray(0, body.length / 2);
    throw new Error('that was half of it');
  });
  proxy.meddle = (request, response) => {
    const { method, url: target = '', headers } = request;
    if (headers.range) ranges.push(`${target} ${headers.range}`);
    if (method !== 'GET' || cut.has(target)) return false;
    cut.add(target);
    return half(request, response);
  };
  await using _calls = await keepCalling('short');
  await apply(image);
  await serves('short');
  // Manifest, configuration and layer: each broken off once, and had at the second attempt; blobs from where they stopped.
  assert.equal(cut.size, 3, [...cut].join('\n'));
  for (const target of cut)
    assert.equal(proxy.asked.filter((line) => line === `GET ${target}`).length, 2, target);
  assert.equal(ranges.length, 2, ranges.join('\n'));
  proxy.meddle = passOn;
});

test(
  'F15: a registry that lies about a manifest, then about a layer, is refused until it does not',
  { timeout: TEST_MS },
  async () => {
    const image = await build('lies');
    proxy.asked.length = 0;
    proxy.meddle = (request, response) => {
      if (!/manifests\/sha256:/.test(request.url ?? '')) return false;
      return changed(() => [Buffer.from('{"schemaVersion":2,"manifests":[]}')])(request, response);
    };
    await using _calls = await keepCalling('lies');
    await apply(image);
    const pods = await saysOf(
      'pods',
      /ErrImagePull[^]*the registry sent sha256:|the registry sent sha256:[^]*ErrImagePull/,
    );
    assert.match(pods, new RegExp(digestOf('{"schemaVersion":2,"manifests":[]}')));
    proxy.meddle = (request, response) => {
      if (!/blobs\/sha256:/.test(request.url ?? '')) return false;
      return changed((body) => [Buffer.from(body).fill('?', 20, 21)])(request, response);
    };
    await saysOf('pods', /blob: its digest is sha256:\w+, wanted sha256:/);
    const events = await it.ok(['get', 'events', '-o', 'json']);
    assert.match(events, /Failed to pull image .*the registry sent/);
    proxy.meddle = passOn;
    await serves('lies');
    // Each attempt asks once: what lies is not asked again within it.
    const manifests = proxy.asked.filter((line) => /GET .*manifests\/sha256:/.test(line)).length;
    const pulls = await it.ok(['get', 'events', '--field-selector=reason=Pulling', '-o', 'json']);
    const { items } = JSON.parse(pulls) as { items: { count: number; message: string }[] };
    const digest =
      /sha256:\w+/.exec(
        proxy.asked.find((line) => /GET .*manifests\/sha256:/.test(line)) ?? '',
      )?.[0] ?? '-';
    const attempts = items.filter(({ message }) => message.includes(digest));
    const total = attempts.reduce((sum, { count }) => sum + count, 0);
    assert.equal(manifests, total, `${manifests} manifests asked for in ${total} pulls`);
  },
);

test(
  'F15: what stays wrong beyond the deadline is told by the Service, and the last good revision stays',
  { timeout: TEST_MS },
  async () => {
    const image = await build('wrong');
    proxy.meddle = (request, response) => {
      if (!/blobs\/sha256:/.test(request.url ?? '')) return false;
      return changed((body) => [Buffer.from(body).fill('?', 20, 21)])(request, response);
    };
    await using _calls = await keepCalling();
    await apply(image, { 'serving.knative.dev/progress-deadline': '5s' });
    await saysOf('ksvc', /its digest is sha256:\w+, wanted sha256:/);
    proxy.meddle = passOn;
  },
);
