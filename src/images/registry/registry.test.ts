import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { FakeClock } from '#base/fake-clock.ts';
import {
  collected,
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import type { ContentStore } from '../content/content-store.ts';
import { digestOf } from '../digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../manifest.ts';
import type { RegistryGuard } from './registry-guard.ts';
import { startRegistry } from './registry.ts';

interface Bed extends AsyncDisposable {
  readonly store: ContentStore;
  readonly host: string;
  readonly clock: FakeClock;
  ask(method: string, path: string, options?: Asking): Promise<Response>;
}

interface Asking {
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
}

async function startBed(): Promise<Bed> {
  const home = await temporaryFolder();
  const clock = new FakeClock();
  const store = await openTestStore(home.path, clock);
  const registry = await startTestRegistry(store, clock);
  return {
    store,
    clock,
    host: registry.host,
    ask: (method, path, options) => fetch(`http://${registry.host}${path}`, { method, ...options }),
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

async function errorCode(reply: Response): Promise<string> {
  const body = (await reply.json()) as { errors: { code: string; message: string }[] };
  assert.ok(body.errors[0]?.message);
  return `${reply.status} ${body.errors[0].code}`;
}

/** Puts an image's blobs into the store, and its manifest through the API. */
async function pushImage(bed: Bed, name: string, content = name): Promise<string> {
  const { manifest } = await storeImage(bed.store, [
    await tarOf([{ name: 'file', body: content }]),
  ]);
  const reply = await bed.ask('PUT', `/v2/${name.replace(':', '/manifests/')}`, {
    body: new Uint8Array(manifest.bytes),
    headers: { 'content-type': OCI_MANIFEST },
  });
  assert.equal(reply.status, 201, await reply.text());
  assert.equal(reply.headers.get('docker-content-digest'), manifest.digest);
  return manifest.digest;
}

test('registry: says what it speaks', async () => {
  await using bed = await startBed();
  const reply = await bed.ask('GET', '/v2/');
  assert.equal(reply.status, 200);
  assert.equal(reply.headers.get('docker-distribution-api-version'), 'registry/2.0');
});

test('registry: takes a blob in one request, in one after a session, and in chunks', async () => {
  await using bed = await startBed();
  const one = digestOf('one');
  const single = await bed.ask('POST', `/v2/a/blobs/uploads/?digest=${one}`, { body: 'one' });
  assert.equal(single.status, 201);
  assert.equal(single.headers.get('location'), `/v2/a/blobs/${one}`);

  const begun = await bed.ask('POST', '/v2/a/blobs/uploads/');
  assert.equal(begun.status, 202);
  const two = digestOf('two');
  const put = `${begun.headers.get('location')}?digest=${two}`;
  assert.equal((await bed.ask('PUT', put, { body: 'two' })).status, 201);

  const session = (await bed.ask('POST', '/v2/a/blobs/uploads/')).headers.get('location') ?? '';
  const chunk = (body: string, range: string): Promise<Response> =>
    bed.ask('PATCH', session, { body, headers: { 'content-range': range } });
  const first = await chunk('chunk', '0-4');
  assert.equal(first.status, 202);
  assert.equal(first.headers.get('range'), '0-4');
  const wrong = await chunk('ed!', '7-9');
  assert.equal(wrong.headers.get('range'), '0-4');
  assert.equal(await errorCode(wrong), '416 BLOB_UPLOAD_INVALID');
  const state = await bed.ask('GET', session);
  assert.equal(`${state.status} ${state.headers.get('range')}`, '204 0-4');
  assert.equal((await chunk('ed', '5-6')).status, 202);
  const whole = digestOf('chunked');
  assert.equal((await bed.ask('PUT', `${session}?digest=${whole}`)).status, 201);
  for (const [digest, text] of [
    [one, 'one'],
    [two, 'two'],
    [whole, 'chunked'],
  ] as const)
    assert.equal(await (await bed.ask('GET', `/v2/a/blobs/${digest}`)).text(), text);
  assert.equal(await errorCode(await bed.ask('GET', session)), '404 BLOB_UPLOAD_UNKNOWN');
});

test('registry: an interrupted chunk goes on from what arrived', async () => {
  await using bed = await startBed();
  const session = (await bed.ask('POST', '/v2/a/blobs/uploads/')).headers.get('location') ?? '';
  const patch = httpRequest(`http://${bed.host}${session}`, {
    method: 'PATCH',
    headers: { 'content-length': 100 },
  });
  patch.on('error', () => undefined);
  patch.write('half');
  // The session is busy until the registry has noticed; its own answers tell when the bytes are in.
  while ((await bed.ask('GET', session)).headers.get('range') !== '0-3')
    await once(setTick(), 'tick');
  patch.destroy();
  const digest = digestOf('half and half');
  const finish = (): Promise<Response> =>
    bed.ask('PATCH', session, { body: ' and half', headers: { 'content-range': '4-12' } });
  let reply = await finish();
  while (reply.status === 409) reply = await finish();
  assert.equal(reply.status, 202);
  assert.equal((await bed.ask('PUT', `${session}?digest=${digest}`)).status, 201);
});

test('registry: a blob that is not what its digest says is not kept', async () => {
  await using bed = await startBed();
  const digest = digestOf('right');
  const refused = await bed.ask('POST', `/v2/a/blobs/uploads/?digest=${digest}`, { body: 'wrong' });
  assert.equal(await errorCode(refused), '400 DIGEST_INVALID');
  const bad = await bed.ask('POST', '/v2/a/blobs/uploads/?digest=sha256:zz', { body: 'wrong' });
  assert.equal(await errorCode(bad), '400 DIGEST_INVALID');
  assert.equal((await bed.ask('HEAD', `/v2/a/blobs/${digest}`)).status, 404);
  assert.equal((await collected(bed.store.unfinished())).length, 0);
});

test('registry: an upload ends when asked to, or when nothing arrives for an hour', async () => {
  await using bed = await startBed();
  const begin = async (): Promise<string> =>
    (await bed.ask('POST', '/v2/a/blobs/uploads/')).headers.get('location') ?? '';
  const cancelled = await begin();
  assert.equal((await bed.ask('DELETE', cancelled)).status, 204);
  assert.equal((await bed.ask('GET', cancelled)).status, 404);
  const idle = await begin();
  const other = idle.replace('/v2/a/', '/v2/b/');
  assert.equal((await bed.ask('GET', other)).status, 404, 'of another repository');
  bed.clock.advance(59 * 60 * 1000);
  assert.equal((await bed.ask('PATCH', idle, { body: 'x' })).status, 202);
  bed.clock.advance(59 * 60 * 1000);
  assert.equal((await bed.ask('GET', idle)).status, 204);
  bed.clock.advance(61 * 60 * 1000);
  assert.equal((await bed.ask('GET', idle)).status, 404);
});

test('registry: a blob that is here is mounted, another begins an upload', async () => {
  await using bed = await startBed();
  const { digest } = await bed.store.ingest([Buffer.from('shared')]);
  const mounted = await bed.ask('POST', `/v2/b/blobs/uploads/?mount=${digest}&from=a`);
  assert.equal(mounted.status, 201);
  const unknown = await bed.ask('POST', `/v2/b/blobs/uploads/?mount=${digestOf('no')}&from=a`);
  assert.equal(unknown.status, 202);
});

test('registry: blobs are read whole, in part, and by their head', async () => {
  await using bed = await startBed();
  const { digest } = await bed.store.ingest([Buffer.from('0123456789')]);
  const path = `/v2/a/blobs/${digest}`;
  const head = await bed.ask('HEAD', path);
  assert.equal(head.headers.get('content-length'), '10');
  assert.equal(head.headers.get('docker-content-digest'), digest);
  const read = async (range: string): Promise<string> => {
    const reply = await bed.ask('GET', path, { headers: { range } });
    const text = reply.status === 416 ? '' : await reply.text();
    return `${reply.status} ${reply.headers.get('content-range')} ${text}`;
  };
  assert.equal(await read('bytes=2-4'), '206 bytes 2-4/10 234');
  assert.equal(await read('bytes=7-'), '206 bytes 7-9/10 789');
  assert.equal(await read('bytes=-2'), '206 bytes 8-9/10 89');
  assert.equal(await read('bytes=5-999'), '206 bytes 5-9/10 56789');
  assert.equal(await read('bytes=10-'), '416 bytes */10 ');
  assert.equal(await read('bytes=0-1,3-4'), '200 null 0123456789');
  const empty = await bed.store.ingest([]);
  assert.equal(await (await bed.ask('GET', `/v2/a/blobs/${empty.digest}`)).text(), '');
});

test('registry: manifests are kept byte by byte under tag and digest', async () => {
  await using bed = await startBed();
  const digest = await pushImage(bed, 'team/hello:v1');
  const byTag = await bed.ask('GET', '/v2/team/hello/manifests/v1');
  assert.equal(byTag.headers.get('content-type'), OCI_MANIFEST);
  assert.equal(byTag.headers.get('docker-content-digest'), digest);
  assert.equal(digestOf(await byTag.text()), digest);
  const head = await bed.ask('HEAD', `/v2/team/hello/manifests/${digest}`);
  assert.equal(head.status, 200);
  const elsewhere = await bed.ask('GET', `/v2/other/manifests/${digest}`);
  assert.equal(await errorCode(elsewhere), '404 MANIFEST_UNKNOWN');
});

test('registry: a manifest that is bad, too large or names what is missing is refused', async () => {
  await using bed = await startBed();
  const put = async (body: string, type = OCI_MANIFEST, key = 'v1'): Promise<string> =>
    errorCode(
      await bed.ask('PUT', `/v2/a/manifests/${key}`, { body, headers: { 'content-type': type } }),
    );
  assert.equal(await put('{'), '400 MANIFEST_INVALID');
  assert.equal(await put('{"schemaVersion":2}', 'text/plain'), '400 MANIFEST_INVALID');
  assert.equal(await put(' '.repeat(5 * 1024 * 1024)), '413 SIZE_INVALID');
  const missing = { mediaType: 'x', digest: digestOf('nothing'), size: 1 };
  const image = JSON.stringify({ schemaVersion: 2, config: missing, layers: [] });
  assert.equal(await put(image), '404 MANIFEST_BLOB_UNKNOWN');
  const index = JSON.stringify({ schemaVersion: 2, manifests: [missing] });
  assert.equal(await put(index, OCI_INDEX), '404 MANIFEST_BLOB_UNKNOWN');
  const empty = JSON.stringify({ schemaVersion: 2, manifests: [] });
  assert.equal(await put(empty, OCI_INDEX, digestOf('other')), '400 DIGEST_INVALID');
  assert.equal(
    await put(JSON.stringify({ ...JSON.parse(empty), mediaType: OCI_INDEX })),
    '400 MANIFEST_INVALID',
  );
});

test('registry: deleting a tag leaves the manifest, deleting the manifest takes its tags', async () => {
  await using bed = await startBed();
  const digest = await pushImage(bed, 'a:v1');
  await pushImage(bed, 'a:v2', 'a:v1');
  assert.equal((await bed.ask('DELETE', '/v2/a/manifests/v1')).status, 202);
  assert.equal((await bed.ask('GET', '/v2/a/manifests/v1')).status, 404);
  assert.equal((await bed.ask('GET', `/v2/a/manifests/${digest}`)).status, 200);
  assert.equal((await bed.ask('DELETE', `/v2/a/manifests/${digest}`)).status, 202);
  assert.equal((await bed.ask('GET', '/v2/a/manifests/v2')).status, 404);
  assert.equal(await errorCode(await bed.ask('GET', '/v2/a/tags/list')), '404 NAME_UNKNOWN');
});

test('registry: a blob is deleted unless an image needs it', async () => {
  await using bed = await startBed();
  await pushImage(bed, 'a:v1');
  const held = await bed.store.pushed.read('a');
  const { digest } = await bed.store.ingest([Buffer.from('alone')]);
  assert.equal((await bed.ask('DELETE', `/v2/a/blobs/${digest}`)).status, 202);
  assert.equal((await bed.ask('DELETE', `/v2/a/blobs/${digest}`)).status, 404);
  const [needed = ''] = Object.keys(held?.manifests ?? {});
  const refused = await bed.ask('DELETE', `/v2/a/blobs/${needed}`);
  assert.equal(await errorCode(refused), '405 UNSUPPORTED');
});

test('registry: lists tags and repositories in order, page by page', async () => {
  await using bed = await startBed();
  for (const tag of ['b', 'c', 'a', 'd']) await pushImage(bed, `hello:${tag}`, 'same');
  await pushImage(bed, 'other:v1', 'same');
  const all = await bed.ask('GET', '/v2/hello/tags/list');
  assert.deepEqual(await all.json(), { name: 'hello', tags: ['a', 'b', 'c', 'd'] });
  assert.equal(all.headers.get('link'), null);
  const page = await bed.ask('GET', '/v2/hello/tags/list?n=2&last=a');
  assert.deepEqual(await page.json(), { name: 'hello', tags: ['b', 'c'] });
  assert.equal(page.headers.get('link'), '</v2/hello/tags/list?n=2&last=c>; rel="next"');
  const bad = await bed.ask('GET', '/v2/hello/tags/list?n=many');
  assert.equal(bad.status, 400);
  const catalog = await bed.ask('GET', '/v2/_catalog?n=1');
  assert.deepEqual(await catalog.json(), { repositories: ['hello'] });
  assert.equal(catalog.headers.get('link'), '</v2/_catalog?n=1&last=hello>; rel="next"');
});

test('registry: names, digests, paths and methods that it does not have are refused', async () => {
  await using bed = await startBed();
  for (const [method, path, expected] of [
    ['GET', '/v2/A/tags/list', '400 NAME_INVALID'],
    ['GET', '/v2/a%2F..%2Fb/tags/list', '400 NAME_INVALID'],
    ['GET', '/v2/a/blobs/sha256:short', '400 DIGEST_INVALID'],
    ['GET', '/v2/a/manifests/.bad', '400 MANIFEST_INVALID'],
    ['GET', '/v2/a/nothing', '404 UNSUPPORTED'],
    ['GET', '/', '404 UNSUPPORTED'],
    ['POST', '/v2/a/manifests/v1', '405 UNSUPPORTED'],
    ['PUT', '/v2/_catalog', '405 UNSUPPORTED'],
    ['GET', `/v2/a/blobs/${digestOf('none')}`, '404 BLOB_UNKNOWN'],
    ['GET', '/v2/a/manifests/v1', '404 MANIFEST_UNKNOWN'],
  ] as const)
    assert.equal(await errorCode(await bed.ask(method, path)), expected, path);
});

/** An emitter whose `tick` comes with the next turn of the event loop. */
function setTick(): EventTarget {
  const target = new EventTarget();
  setImmediate(() => target.dispatchEvent(new Event('tick')));
  return target;
}

test('registry: what refers to a manifest is listed under it, of one type where asked', async () => {
  await using bed = await startBed();
  const subject = await pushImage(bed, 'app:v1');
  const empty = await bed.store.ingest([Buffer.from('{}')]);
  const refer = async (artifactType: string): Promise<string> => {
    const bytes = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', ...empty },
      layers: [],
      subject: { mediaType: OCI_MANIFEST, digest: subject, size: 1 },
      annotations: { about: artifactType },
    });
    const digest = digestOf(bytes);
    const reply = await bed.ask('PUT', `/v2/app/manifests/${digest}`, {
      body: bytes,
      headers: { 'content-type': OCI_MANIFEST },
    });
    assert.equal(`${reply.status} ${reply.headers.get('oci-subject')}`, `201 ${subject}`);
    return digest;
  };
  const [signature, bill] = [await refer('test/signature'), await refer('test/bill')];
  const list = async (query: string): Promise<{ digest: string; annotations: unknown }[]> => {
    const reply = await bed.ask('GET', `/v2/app/referrers/${subject}${query}`);
    assert.equal(reply.headers.get('content-type'), OCI_INDEX);
    const isFiltered = reply.headers.get('oci-filters-applied') === 'artifactType';
    assert.equal(isFiltered, query !== '');
    return ((await reply.json()) as { manifests: { digest: string; annotations: unknown }[] })
      .manifests;
  };
  assert.deepEqual(
    (await list('')).map(({ digest }) => digest).toSorted(),
    [signature, bill].toSorted(),
  );
  const [found] = await list('?artifactType=test/bill');
  assert.deepEqual([found?.digest, found?.annotations], [bill, { about: 'test/bill' }]);
  await bed.ask('DELETE', `/v2/app/manifests/${bill}`);
  assert.deepEqual(
    (await list('')).map(({ digest }) => digest),
    [signature],
  );
  const nothing = await bed.ask('GET', `/v2/none/referrers/${subject}`);
  assert.deepEqual(((await nothing.json()) as { manifests: unknown }).manifests, []);
});

test('registry: behind a guard nobody gets further than they may', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const asked: string[] = [];
  const guard: RegistryGuard = async (token, { verb, repository = '-' }) => {
    asked.push(`${token ?? 'nobody'} ${verb} ${repository}`);
    if (token === undefined) return 'unauthorized';
    return verb === 'get' ? 'granted' : 'denied';
  };
  await using registry = await startRegistry({
    store,
    guard,
    clock: new FakeClock(),
    random: systemRandom,
    log: silentLog,
    host: '127.0.0.1',
    port: 0,
  });
  const ask = (method: string, path: string, authorization?: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${registry.port}${path}`, {
      method,
      headers: authorization === undefined ? {} : { authorization },
    });
  const nobody = await ask('GET', '/v2/');
  assert.equal(nobody.headers.get('www-authenticate'), 'Basic realm="knode"');
  assert.equal(await errorCode(nobody), '401 UNAUTHORIZED');
  const basic = `Basic ${Buffer.from('any:to:ken').toString('base64')}`;
  assert.equal((await ask('GET', '/v2/', basic)).status, 200);
  const missing = await ask('GET', '/v2/a/b/manifests/v1', 'Bearer token');
  assert.equal(await errorCode(missing), '404 MANIFEST_UNKNOWN');
  for (const [method, path] of [
    ['PUT', '/v2/a/b/manifests/v1'],
    ['DELETE', '/v2/a/b/manifests/v1'],
    ['POST', `/v2/a/b/blobs/uploads/?digest=${digestOf('')}`],
    ['GET', '/v2/a/b/blobs/uploads/1'],
    ['GET', '/v2/_catalog'],
  ] as const)
    assert.equal(await errorCode(await ask(method, path, 'Bearer token')), '403 DENIED', path);
  assert.deepEqual(asked, [
    'nobody get -',
    'to:ken get -',
    'token get a/b',
    'token update a/b',
    'token update a/b',
    'token update a/b',
    'token update a/b',
    'token list -',
  ]);
  assert.deepEqual(await store.blobs(), []);
});
