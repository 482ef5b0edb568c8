import assert from 'node:assert/strict';
import {
  createReadStream,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { seededRandom } from '#base/random.ts';
import type { ContentStore } from '#images/content/content-store.ts';
import { digestOf } from '#images/digest.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import { ImageError } from '#images/image.ts';
import { openImages, type LocalImages } from '#images/images.ts';
import { DOCKER_LIST, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, platformOf } from '#images/manifest.ts';
import { boundedMs, reportFault, scaled } from '#test/support/fault-report.ts';
import {
  compressed,
  deepFiles,
  hostileLayers,
  manyFiles,
  zeros,
} from '#test/support/hostile-layers.ts';
import {
  hastyClock,
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import { megabytes, settledMemory } from '#test/support/memory.ts';
import { SmallDisk } from '#test/support/small-disk.ts';

/*
 * F36, as root, who may write anywhere and make any device. Beside what is attacked lie a folder that nothing may be written
 * to and an honest image, which has to stay as it is and can be had all the time.
 */

const ROUNDS = scaled(20);
const isFull = scaled(10) === 10;
const DISK_BYTES = 256 * 1024 ** 2;
/** Far less than it takes to unpack sixteen GiB. */
const AGAIN_MS_MAX = 5_000;
const GROWTH_BYTES_MAX = 64 * 1024 ** 2;
/** Compressors and decompressors leave holes behind, those of this test too; a bomb that were held would be a GiB. */
const BOMB_GROWTH_BYTES_MAX = 192 * 1024 ** 2;
const { signal } = new AbortController();

interface Machine extends AsyncDisposable {
  readonly folder: string;
  readonly outside: string;
  readonly images: LocalImages;
  /** Pulls; what it is refused with, or `harmless`. */
  attack(reference: string): Promise<string>;
  /** Fails where something was written outside, left behind, or taken from the honest image. */
  unharmed(what: string): Promise<void>;
}

/** A machine's images below `folder`, and an honest one among them. */
async function openMachine(folder: string, honest: string): Promise<Machine> {
  const outside = path.join(folder, 'outside');
  const home = path.join(folder, 'home');
  mkdirSync(outside, { recursive: true });
  writeFileSync(path.join(outside, 'precious'), 'not to be touched');
  const images = await openImages({
    store: await openTestStore(home),
    client: new DistributionClient({ clock: hastyClock, random: seededRandom(1) }),
    platform: platformOf('x64'),
    owners: process.getuid?.() === 0 ? 'image' : 'current',
    clock: hastyClock,
    isBuiltIn: () => false,
  });
  await images.pull(honest, { signal });
  const before = snapshot(folder);
  return {
    folder,
    outside,
    images,
    async attack(reference) {
      // The neighbour asks at the same moment.
      const [outcome, neighbour] = await Promise.allSettled([
        images.pull(reference, { signal }),
        images.pull(honest, { signal }),
      ]);
      assert.equal(neighbour.status, 'fulfilled', `the neighbour of ${reference}`);
      if (outcome.status === 'fulfilled') return 'harmless';
      assert.ok(outcome.reason instanceof ImageError, String(outcome.reason));
      return `${outcome.reason.reason}: ${outcome.reason.message}`;
    },
    async unharmed(what) {
      assert.deepEqual(snapshot(folder), before, `${what}: written outside`);
      const layers = path.join(home, 'images', 'layers');
      const left = readdirSync(layers).filter((name) => name.startsWith('.'));
      assert.deepEqual(left, [], `${what}: left half done`);
      const [layer = ''] = (await images.find(honest))?.layers ?? [];
      assert.equal(readFileSync(path.join(layer, 'file'), 'utf8'), 'honest', what);
    },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true }),
  };
}

/** Everything beside the images: names, contents, marks, times. */
function snapshot(folder: string): readonly unknown[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'home' && !name.startsWith('home/') && name !== 'neighbour')
    .toSorted()
    .map((name) => {
      const at = path.join(folder, name);
      const { mode, uid, mtimeMs, nlink, size } = lstatSync(at);
      const isFile = lstatSync(at).isFile() && size < 1024;
      return {
        name,
        mode,
        uid,
        nlink,
        size,
        ...(isFile && { text: readFileSync(at, 'utf8'), mtimeMs }),
      };
    });
}

test(`F36: hostile layers, ${ROUNDS} times: refused or harmless, nothing outside, neighbours alive`, async () => {
  await using folder = await temporaryFolder();
  await using far = await temporaryFolder();
  const store = await openTestStore(far.path);
  await using registry = await startTestRegistry(store);
  const publish = async (name: string, archives: readonly Buffer[]): Promise<string> => {
    const { digest, mediaType } = (await storeImage(store, archives)).manifest;
    await store.pushed.put(name, { digest, mediaType, tag: 'v1' });
    return `${registry.host}/${name}:v1`;
  };
  const honest = await publish('honest', [await tarOf([{ name: 'file', body: 'honest' }])]);
  const outside = path.join(folder.path, 'outside');
  const layers = await hostileLayers(outside);
  const published = [];
  for (const [at, layer] of layers.entries())
    published.push({ ...layer, reference: await publish(`attack${at}`, layer.archives) });
  const counts = { refused: 0, harmless: 0 };
  let memory = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await using machine = await openMachine(folder.path, honest);
    for (const { what, reference, refused } of published) {
      const outcome = await machine.attack(reference);
      if (refused === 'harmless') assert.equal(outcome, 'harmless', what);
      else assert.match(outcome, new RegExp(`^Invalid: .*(?:${refused.source})`, 's'), what);
      counts[refused === 'harmless' ? 'harmless' : 'refused'] += 1;
      await machine.unharmed(what);
    }
    if (round === 0) memory = settledMemory();
  }
  const growth = settledMemory() - memory;
  reportFault({
    id: 'F36',
    what: `${layers.length} hostile layers (paths, links, devices, whiteouts, headers), pulled`,
    count: counts.refused + counts.harmless,
    found: `${counts.refused} refused, ${counts.harmless} harmless, nothing outside; memory ${megabytes(growth)}`,
  });
  assert.ok(growth <= GROWTH_BYTES_MAX, `memory grew by ${megabytes(growth)}`);
});

interface Served {
  readonly body: string | Buffer;
  readonly type?: string;
}

/** A registry that answers as it likes: by path, and `manifest` for every manifest it has no answer for. */
async function startLiar(
  answers: ReadonlyMap<string, Served>,
): Promise<AsyncDisposable & { readonly host: string }> {
  const server = createServer(({ url = '' }, response) => {
    const found =
      answers.get(url.replace('/v2/', '')) ??
      answers.get(url.replace(/[^/]+$/, '*').replace('/v2/', ''));
    if (!found) return void response.writeHead(404).end();
    const length = Buffer.byteLength(found.body);
    response.writeHead(200, {
      'content-type': found.type ?? 'application/octet-stream',
      'content-length': length,
    });
    return void response.end(found.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Images whose parts are not what they are said to be; each under a name of its own. */
async function lies(): Promise<
  readonly { what: string; refused: RegExp; answers: [string, Served][] }[]
> {
  const archive = await tarOf([{ name: 'file', body: 'content' }]);
  const layer = gzipSync(archive);
  const config = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { diff_ids: [digestOf(archive)] },
    }),
  );
  const blob = (bytes: Buffer, mediaType = 'x'): Record<string, unknown> => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const json = (value: object): Buffer =>
    Buffer.from(JSON.stringify({ schemaVersion: 2, ...value }));
  const image = {
    mediaType: OCI_MANIFEST,
    config: blob(config),
    layers: [blob(layer, `${OCI_LAYER}+gzip`)],
  };
  const right = {
    [String(blob(config)['digest'])]: config,
    [String(blob(layer)['digest'])]: layer,
  };
  const of = (
    manifest: Buffer,
    blobs: Record<string, Buffer> = right,
    type = OCI_MANIFEST,
  ): [string, Served][] => [
    ['manifests/v1', { body: manifest, type }],
    [`manifests/${digestOf(manifest)}`, { body: manifest, type }],
    ...Object.entries(blobs).map(([digest, body]): [string, Served] => [
      `blobs/${digest}`,
      { body },
    ]),
  ];
  const other = Buffer.from(layer).fill(7, 20, 30);
  const entry = {
    ...blob(json(image), OCI_MANIFEST),
    platform: { os: 'linux', architecture: 'amd64' },
  };
  const index = json({ mediaType: OCI_INDEX, manifests: [entry] });
  const indexOf = (bytes: Buffer, mediaType = OCI_INDEX): Buffer =>
    json({ mediaType, manifests: [{ ...blob(bytes, mediaType), platform: entry.platform }] });
  const lie = (change: object): Buffer => json({ ...image, ...change });
  const layers = (changes: object): object => ({ layers: [{ ...image.layers[0], ...changes }] });
  const digest = digestOf('something else');
  // What is here already would not be asked for.
  const mine = Buffer.from(`${config.toString()} `);
  return [
    {
      what: 'a layer with a flipped byte',
      refused: /its digest is/,
      answers: of(json(image), { ...right, [digestOf(layer)]: other }),
    },
    {
      what: 'a layer under a digest that is not its own',
      refused: /its digest is/,
      answers: of(lie(layers({ digest })), { ...right, [digest]: layer }),
    },
    {
      what: 'a layer longer than it says',
      refused: /more than|its digest is/,
      answers: of(lie(layers({ size: 10 }))),
    },
    {
      what: 'a configuration that is another',
      refused: /its digest is/,
      answers: of(lie({ config: blob(mine) }), {
        ...right,
        [digestOf(mine)]: Buffer.from(mine).fill('?', mine.length - 1),
      }),
    },
    {
      what: 'a configuration for another layer',
      refused: /unpacks to/,
      answers: ((): [string, Served][] => {
        const wrong = Buffer.from(config.toString().replace(digestOf(archive), digest));
        return of(lie({ config: blob(wrong) }), { ...right, [digestOf(wrong)]: wrong });
      })(),
    },
    {
      what: 'a layer twice',
      refused: /2 layers/,
      answers: of(lie({ layers: [image.layers[0], image.layers[0]] })),
    },
    {
      what: 'a manifest that is not what the index names',
      refused: /the registry sent/,
      answers: [
        ...of(index, right, OCI_INDEX),
        ['manifests/*', { body: lie({ annotations: { a: 'b' } }), type: OCI_MANIFEST }],
      ],
    },
    {
      what: 'an index that leads to itself',
      refused: /the registry sent/,
      answers: [['manifests/*', { body: index, type: OCI_INDEX }]],
    },
    {
      what: 'an index in an index',
      refused: /index inside an index/,
      answers: [...of(index, right, OCI_INDEX), ...of(indexOf(index), {}, OCI_INDEX)],
    },
    {
      what: 'a list in a list',
      refused: /index inside an index/,
      answers: [
        ...of(indexOf(index, DOCKER_LIST), right, DOCKER_LIST),
        ...of(indexOf(indexOf(index, DOCKER_LIST), DOCKER_LIST), {}, DOCKER_LIST),
      ],
    },
    {
      what: 'an index of 1,001',
      refused: /1001 entries/,
      answers: of(
        json({ mediaType: OCI_INDEX, manifests: Array.from({ length: 1001 }, () => entry) }),
        {},
        OCI_INDEX,
      ),
    },
    {
      what: 'an index for nobody here',
      refused: /no image for/,
      answers: of(
        json({
          mediaType: OCI_INDEX,
          manifests: [{ ...entry, platform: { os: 'plan9', architecture: 'amd64' } }],
        }),
        {},
        OCI_INDEX,
      ),
    },
    {
      what: '128 layers',
      refused: /at most 127/,
      answers: of(lie({ layers: Array.from({ length: 128 }, () => image.layers[0]) })),
    },
    {
      what: 'a digest that is a path',
      refused: /digest/,
      answers: of(lie(layers({ digest: 'sha256:../../../../etc/passwd' }))),
    },
    { what: 'a size below zero', refused: /size/, answers: of(lie(layers({ size: -1 }))) },
    {
      what: 'a manifest of 5 MiB',
      refused: /more than/,
      answers: of(Buffer.alloc(5 * 1024 ** 2, ' ')),
    },
    {
      what: 'a manifest that nests without end',
      refused: /not JSON|JSON object/,
      answers: of(Buffer.from('['.repeat(1_000_000))),
    },
    {
      what: 'a manifest of the first schema',
      refused: /schemaVersion/,
      answers: of(Buffer.from('{"schemaVersion":1}')),
    },
    {
      what: 'an image for another machine',
      refused: /linux\/s390x/,
      answers: ((): [string, Served][] => {
        const wrong = Buffer.from(config.toString().replace('amd64', 's390x'));
        return of(lie({ config: blob(wrong) }), { ...right, [digestOf(wrong)]: wrong });
      })(),
    },
    {
      what: 'a layer in gzip that ends early',
      refused: /cannot be read/,
      answers: ((): [string, Served][] => {
        const short = layer.subarray(0, layer.length - 12);
        return of(lie({ layers: [blob(short)] }), { ...right, [digestOf(short)]: short });
      })(),
    },
    {
      what: 'a layer in zstd that ends early',
      refused: /cannot be read/,
      answers: ((): [string, Served][] => {
        const short = zstdCompressSync(archive).subarray(0, 60);
        return of(lie({ layers: [blob(short)] }), { ...right, [digestOf(short)]: short });
      })(),
    },
    {
      what: 'a layer in zstd that wants a window of 2 GiB',
      refused: /cannot be read/,
      answers: ((): [string, Served][] => {
        // RFC 8878 §3.1.1: a window descriptor of 10 + 21 bits, then one raw block, the last.
        const greedy = Buffer.concat([
          Buffer.from('28b52ffd00a8012000', 'hex'),
          Buffer.alloc(1024),
        ]);
        return of(lie({ layers: [blob(greedy)] }), { ...right, [digestOf(greedy)]: greedy });
      })(),
    },
    {
      what: 'a command that is none',
      refused: /Entrypoint/,
      answers: ((): [string, Served][] => {
        const wrong = Buffer.from(
          JSON.stringify({ ...JSON.parse(config.toString()), config: { Entrypoint: { a: 1 } } }),
        );
        return of(lie({ config: blob(wrong) }), { ...right, [digestOf(wrong)]: wrong });
      })(),
    },
  ];
}

test(`F36: registries that lie, ${ROUNDS} times: refused with what was found, nothing kept`, async () => {
  await using folder = await temporaryFolder();
  await using far = await temporaryFolder();
  const store = await openTestStore(far.path);
  await using registry = await startTestRegistry(store);
  const { manifest } = await storeImage(store, [await tarOf([{ name: 'file', body: 'honest' }])]);
  await store.pushed.put('honest', {
    digest: manifest.digest,
    mediaType: manifest.mediaType,
    tag: 'v1',
  });
  const told = await lies();
  const answers = told.flatMap((lie, at) =>
    lie.answers.map(([place, served]) => [`lie${at}/${place}`, served] as const),
  );
  await using liar = await startLiar(new Map(answers));
  let count = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await using machine = await openMachine(folder.path, `${registry.host}/honest:v1`);
    for (const [at, { what, refused }] of told.entries()) {
      assert.match(
        await machine.attack(`${liar.host}/lie${at}:v1`),
        new RegExp(`^Invalid: .*(?:${refused.source})`, 's'),
        what,
      );
      await machine.unharmed(what);
      count += 1;
    }
  }
  reportFault({
    id: 'F36',
    what: `${told.length} lies of registries (digests, sizes, indexes that loop), pulled`,
    count,
    found: 'all refused',
  });
});

interface Bomb {
  readonly what: string;
  readonly as: 'gzip' | 'zstd';
  readonly archive: () => Iterable<Buffer>;
  readonly refused: RegExp;
}

const GIB = 1024 ** 3;
const bombs: readonly Bomb[] = [
  {
    what: 'a GiB of zeros in gzip',
    as: 'gzip',
    archive: () => zeros(GIB),
    refused: /^Unavailable: the disk is too full/,
  },
  {
    what: 'a GiB of zeros in zstd',
    as: 'zstd',
    archive: () => zeros(GIB),
    refused: /^Unavailable: the disk is too full/,
  },
  {
    what: 'a million files',
    as: 'zstd',
    archive: () => manyFiles(scaled(1_000_000)),
    refused: /^Unavailable: .*inodes are free/,
  },
  {
    what: 'a million folders in a thousand names',
    as: 'gzip',
    archive: () => deepFiles(scaled(1_000)),
    refused: /^Unavailable: .*inodes are free/,
  },
  ...(isFull
    ? ([
        {
          what: '17 GiB that nobody keeps, in gzip',
          as: 'gzip',
          archive: () => zeros(17 * GIB, '.wh..wh.x'),
          refused: /^Invalid: .*too many bytes/,
        },
        {
          what: '17 GiB that nobody keeps, in zstd',
          as: 'zstd',
          archive: () => zeros(17 * GIB, '.wh..wh.x'),
          refused: /^Invalid: .*too many bytes/,
        },
      ] as const)
    : []),
];

test(
  'F36: bombs: refused before the disk is full, and all of it comes back',
  { timeout: boundedMs(600_000) },
  async () => {
    await using disk = await SmallDisk.mount(DISK_BYTES, { inodes: 30_000 });
    await using far = await temporaryFolder();
    const store = await openTestStore(far.path);
    await using registry = await startTestRegistry(store);
    const honest = (await storeImage(store, [await tarOf([{ name: 'file', body: 'honest' }])]))
      .manifest;
    await store.pushed.put('honest', {
      digest: honest.digest,
      mediaType: honest.mediaType,
      tag: 'v1',
    });
    await using machine = await openMachine(disk.folder, `${registry.host}/honest:v1`);
    const memory = settledMemory();
    let written = 0;
    for (const [at, bomb] of bombs.entries()) {
      const reference = `${registry.host}/bomb${at}:v1`;
      await publishBomb(bomb, { store, name: `bomb${at}`, folder: far.path });
      const stop = new AbortController();
      const neighbour = writesUntil(path.join(disk.folder, 'neighbour'), stop.signal);
      assert.match(await machine.attack(reference), bomb.refused, bomb.what);
      stop.abort();
      written += await neighbour;
      await machine.unharmed(bomb.what);
      // Only what was downloaded stays, for the collector.
      const { blocks, bfree, bsize, files, ffree } = statfsSync(disk.folder);
      const kept = bytesIn(path.join(disk.folder, 'home', 'images', 'blobs', 'sha256'));
      const isBack = bfree * bsize + kept > blocks * bsize * 0.9 && ffree > files * 0.9;
      assert.ok(isBack, `${bomb.what}: the room comes back`);
      // What cannot become better is not tried again.
      if (!bomb.refused.source.startsWith('^Invalid')) continue;
      const beganMs = performance.now();
      assert.match(await machine.attack(reference), bomb.refused, bomb.what);
      assert.ok(performance.now() - beganMs < AGAIN_MS_MAX, bomb.what);
    }
    const growth = settledMemory() - memory;
    reportFault({
      id: 'F36',
      what: `${bombs.length} bombs (gzip, zstd, a million files) on a disk of ${megabytes(DISK_BYTES)}`,
      count: bombs.length,
      found: `all refused; a neighbour wrote ${written} files meanwhile, none failed; memory ${megabytes(growth)}`,
    });
    assert.ok(written > bombs.length, 'the neighbour was there');
    assert.ok(growth <= BOMB_GROWTH_BYTES_MAX, `memory grew by ${megabytes(growth)}`);
  },
);

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce(
    (sum, name) => sum + lstatSync(path.join(folder, name)).size,
    0,
  );
}

async function publishBomb(
  { archive, as }: Bomb,
  {
    store,
    name,
    folder,
  }: { readonly store: ContentStore; readonly name: string; readonly folder: string },
): Promise<void> {
  const file = path.join(folder, name);
  const diffId = await compressed(archive(), { to: file, as });
  const layer = await store.ingest(createReadStream(file));
  await rm(file);
  const config = await store.ingest([
    Buffer.from(
      JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { diff_ids: [diffId] } }),
    ),
  ]);
  const manifest = await store.ingest([
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: { mediaType: 'x', ...config },
        layers: [{ mediaType: `${OCI_LAYER}+${as}`, ...layer }],
      }),
    ),
  ]);
  await store.pushed.put(name, { digest: manifest.digest, mediaType: OCI_MANIFEST, tag: 'v1' });
}

/** Writes a file again and again, each time to the disk; how often. Rejects where one cannot be written. */
async function writesUntil(file: string, stop: AbortSignal): Promise<number> {
  let count = 0;
  for (; !stop.aborted; count += 1) {
    await writeFile(file, Buffer.alloc(4096, count), { flush: true });
    await rm(file);
  }
  return count;
}
