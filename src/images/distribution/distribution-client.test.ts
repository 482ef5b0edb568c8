import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random.ts';
import {
  collected,
  hastyClock,
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
  type TestImage,
} from '#test/support/image-fixture.ts';
import { type MeddlingProxy, startMeddlingProxy } from '#test/support/meddling-proxy.ts';
import type { ContentStore } from '../content/content-store.ts';
import { digestOf } from '../digest.ts';
import { DistributionClient } from './distribution-client.ts';
import { ImageError, type RegistryCredentials } from '../image.ts';
import { OCI_INDEX, parseManifest } from '../manifest.ts';
import { parseReference } from '../reference.ts';

interface Bed extends MeddlingProxy {
  readonly store: ContentStore;
  readonly image: TestImage;
}

const { signal } = new AbortController();

function newClient(): DistributionClient {
  return new DistributionClient({ clock: hastyClock, random: seededRandom(1) });
}

/** A real registry with one image, `hello:v1`, behind a proxy that can be told to misbehave. */
async function startBed(): Promise<Bed> {
  const home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const registry = await startTestRegistry(store);
  const archive = await tarOf([{ name: 'file', body: 'content' }]);
  const image = await storeImage(store, [archive]);
  const { digest, mediaType } = image.manifest;
  await store.pushed.put('hello', { digest, mediaType, tag: 'v1' });
  const proxy = await startMeddlingProxy(registry.host);
  const stop = proxy[Symbol.asyncDispose];
  return Object.assign(proxy, {
    store,
    image,
    async [Symbol.asyncDispose]() {
      await stop();
      await registry[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  });
}

function hasReason(reason: ImageError['reason'], part = ''): (error: unknown) => boolean {
  return (error) =>
    error instanceof ImageError && error.reason === reason && error.message.includes(part);
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await collected(source));
}

test('client: resolves a tag by its head, and by its manifest where a registry has no heads', async () => {
  await using bed = await startBed();
  const reference = parseReference(`${bed.host}/hello:v1`);
  const client = newClient();
  assert.equal(await client.resolve(reference, { signal }), bed.image.manifest.digest);
  assert.deepEqual(bed.asked, ['HEAD /v2/hello/manifests/v1']);
  bed.meddle = ({ method }, response) => {
    if (method === 'HEAD') response.writeHead(405).end();
    return method === 'HEAD';
  };
  assert.equal(await client.resolve(reference, { signal }), bed.image.manifest.digest);
});

test('client: what is not there is NotFound, and is asked for once', async () => {
  await using bed = await startBed();
  const client = newClient();
  await assert.rejects(
    client.manifest(parseReference(`${bed.host}/hello:v2`), { signal }),
    hasReason('NotFound', 'MANIFEST_UNKNOWN'),
  );
  assert.equal(bed.asked.length, 1);
});

test('client: a registry that is down, busy or broken is tried again, then Unavailable', async () => {
  await using bed = await startBed();
  const reference = parseReference(`${bed.host}/hello:v1`);
  const failures = [429, 503, 0];
  bed.meddle = (incoming, response) => {
    const status = failures.shift();
    if (status === undefined) return false;
    if (status === 0) incoming.destroy();
    else response.writeHead(status, { 'retry-after': '1' }).end();
    return true;
  };
  assert.equal(
    (await newClient().manifest(reference, { signal })).digest,
    bed.image.manifest.digest,
  );
  assert.equal(bed.asked.length, 4);
  bed.meddle = (_incoming, response) => {
    response.writeHead(500).end('{"errors":[{"code":"UNKNOWN","message":"the disk is full"}]}');
    return true;
  };
  await assert.rejects(
    newClient().manifest(reference, { signal }),
    hasReason('Unavailable', 'the disk is full'),
  );
  await assert.rejects(
    newClient().manifest(parseReference('127.0.0.1:1/hello'), { signal }),
    hasReason('Unavailable', '127.0.0.1:1'),
  );
});

test('client: an interrupted download goes on where it stopped, with and without ranges', async () => {
  await using bed = await startBed();
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));
  const blob = { mediaType: 'x', ...(await bed.store.ingest([content])) };
  const reference = parseReference(`${bed.host}/hello:v1`);
  for (const acceptsRanges of [true, false]) {
    let cuts = 2;
    bed.meddle = (incoming, response) => {
      const start = Number(/bytes=(\d+)-/.exec(incoming.headers.range ?? '')?.[1] ?? 0);
      if (cuts === 0) {
        if (!acceptsRanges) delete incoming.headers.range;
        return false;
      }
      cuts -= 1;
      const from = acceptsRanges ? start : 0;
      response.writeHead(acceptsRanges && start > 0 ? 206 : 200, {
        'content-length': 300_000 - from,
      });
      // Cut after more than was there before, so that both ways of going on are seen.
      response.write(content.subarray(from, start + 100_000), () => response.destroy());
      return true;
    };
    const received = await readAll(newClient().blob(reference, blob, { signal }));
    assert.equal(digestOf(received), blob.digest, `ranges: ${acceptsRanges}`);
    assert.equal(cuts, 0);
  }
});

test('client: a download that never gets anywhere is Unavailable, one that lies is Invalid', async () => {
  await using bed = await startBed();
  const [layer] = bed.image.layers;
  assert.ok(layer);
  const size = (await bed.store.stat(layer))?.size ?? 0;
  const reference = parseReference(`${bed.host}/hello:v1`);
  await using home = await temporaryFolder();
  const target = await openTestStore(home.path);
  const pull = (): Promise<unknown> => {
    const source = newClient().blob(reference, { mediaType: 'x', digest: layer, size }, { signal });
    return target.ingest(source, { digest: layer, bytesMax: size });
  };
  bed.meddle = (_incoming, response) => {
    response.writeHead(200, { 'content-length': size });
    response.flushHeaders();
    response.destroy();
    return true;
  };
  await assert.rejects(pull(), hasReason('Unavailable', layer));
  bed.meddle = (_incoming, response) => {
    response.writeHead(200).end(Buffer.alloc(size, 'x'));
    return true;
  };
  await assert.rejects(pull(), hasReason('Invalid', 'digest'));
  bed.meddle = (_incoming, response) => {
    response.writeHead(200).end(Buffer.alloc(size * 2, 'x'));
    return true;
  };
  await assert.rejects(pull(), hasReason('Invalid', 'more than'));
  assert.deepEqual(await target.blobs(), []);
});

test('client: a manifest that is not what its digest says is refused', async () => {
  await using bed = await startBed();
  const { digest } = bed.image.manifest;
  bed.meddle = (_incoming, response) => {
    response.writeHead(200).end('{"schemaVersion":2,"manifests":[]}');
    return true;
  };
  await assert.rejects(
    newClient().manifest(parseReference(`${bed.host}/hello@${digest}`), { signal }),
    hasReason('Invalid', 'the registry sent'),
  );
  bed.meddle = (_incoming, response) => {
    response.writeHead(200).end(Buffer.alloc(5 * 1024 * 1024, ' '));
    return true;
  };
  await assert.rejects(
    newClient().manifest(parseReference(`${bed.host}/hello:v1`), { signal }),
    hasReason('Invalid', 'more than'),
  );
});

test('client: gets a token for what it does, with credentials, and uses it again', async () => {
  await using bed = await startBed();
  const seen: string[] = [];
  bed.meddle = ({ url = '', headers }, response) => {
    if (url.startsWith('/token')) {
      seen.push(`${url} ${headers.authorization ?? 'anonymous'}`);
      response.end(JSON.stringify({ access_token: 'secret', expires_in: 300 }));
      return true;
    }
    if (headers.authorization === 'Bearer secret') return false;
    const realm = `Bearer realm="http://${bed.host}/token",service="here"`;
    response.writeHead(401, { 'www-authenticate': realm }).end();
    return true;
  };
  const reference = parseReference(`${bed.host}/hello:v1`);
  const client = newClient();
  const access = { credentials: [{ username: 'u', password: 'p' }], signal };
  await client.resolve(reference, access);
  await client.manifest(reference, access);
  const basic = `Basic ${Buffer.from('u:p').toString('base64')}`;
  const asked = '/token?service=here&scope=repository%3Ahello%3Apull';
  assert.deepEqual(seen, [`${asked} ${basic}`]);
  await client.manifest(reference, { signal });
  assert.equal(seen[1], `${asked} anonymous`, 'nobody profits from the token of another');
});

test('client: a registry that wants a password it does not have is Unauthorized', async () => {
  await using bed = await startBed();
  const reference = parseReference(`${bed.host}/hello:v1`);
  const basic = `Basic ${Buffer.from('u:p').toString('base64')}`;
  bed.meddle = ({ headers }, response) => {
    if (headers.authorization === basic) return false;
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    return true;
  };
  const client = newClient();
  const [right, wrong] = ['p', 'x'].map((password) => ({ username: 'u', password }));
  assert.ok(right && wrong);
  const as = (...credentials: RegistryCredentials[]): Promise<string> =>
    client.resolve(reference, { credentials, signal });
  await assert.rejects(as(), hasReason('Unauthorized', 'imagePullSecrets'));
  await assert.rejects(as(wrong), hasReason('Unauthorized', 'imagePullSecrets'));
  assert.equal(await as(wrong, right), bed.image.manifest.digest, 'each is tried in turn');
  await assert.rejects(as(wrong), hasReason('Unauthorized'), 'after it worked for another');
});

test('client: pushes what a registry lacks, and nothing twice', async () => {
  await using bed = await startBed();
  await using home = await temporaryFolder();
  const local = await openTestStore(home.path);
  const archives = [await tarOf([{ name: 'new', body: 'layer' }]), await tarOf([{ name: 'b' }])];
  const { manifest, layers } = await storeImage(local, archives);
  const reference = parseReference(`${bed.host}/team/pushed:v1`);
  await newClient().push(reference, { store: local, manifest, signal });
  const pulled = await newClient().manifest(reference, { signal });
  assert.equal(pulled.digest, manifest.digest);
  for (const digest of layers) assert.ok(await bed.store.stat(digest));
  const puts = bed.asked.filter((line) => line.startsWith('PUT')).length;
  assert.equal(puts, 4, 'configuration, two layers, manifest');
  await newClient().push(reference, { store: local, manifest, signal });
  assert.equal(bed.asked.filter((line) => line.startsWith('PUT')).length, puts + 1);
});

test('client: pushes an index with its images', async () => {
  await using bed = await startBed();
  await using home = await temporaryFolder();
  const local = await openTestStore(home.path);
  const { manifest } = await storeImage(local, [await tarOf([{ name: 'a' }])]);
  const { digest, mediaType, bytes } = manifest;
  const entry = { digest, mediaType, size: bytes.length };
  const index = parseManifest(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] })),
  );
  const reference = parseReference(`${bed.host}/indexed:v1`);
  await newClient().push(reference, { store: local, manifest: index, signal });
  assert.equal(await newClient().resolve(reference, { signal }), index.digest);
  assert.equal(await bed.store.pushed.find('indexed', digest), digest);

  // Twenty indexes, each of which names the one below it twice: a million ways down.
  await local.ingest([index.bytes]);
  let top = index;
  for (let level = 0; level < 20; level += 1) {
    const below = { digest: top.digest, mediaType: OCI_INDEX, size: top.bytes.length };
    top = parseManifest(
      Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [below, below] }),
      ),
    );
    await local.ingest([top.bytes]);
  }
  bed.asked.length = 0;
  await newClient().push(reference, { store: local, manifest: top, signal });
  assert.equal(bed.asked.filter((line) => line.startsWith('PUT')).length, 20 + 2);
});

test('client: an aborted call ends with the reason', async () => {
  await using bed = await startBed();
  const gone = new AbortController();
  bed.meddle = () => {
    gone.abort(new Error('not wanted any more'));
    return true;
  };
  await assert.rejects(
    newClient().manifest(parseReference(`${bed.host}/hello:v1`), { signal: gone.signal }),
    /not wanted any more/,
  );
});
