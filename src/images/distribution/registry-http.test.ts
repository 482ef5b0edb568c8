import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createPlain, type RequestListener, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { systemClock, type Clock } from '#base/clock.ts';
import { seededRandom } from '#base/random.ts';
import {
  collected,
  hastyClock,
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import { makeAuthority } from '#test/support/test-authority.ts';
import { digestOf } from '../digest.ts';
import { DistributionClient } from './distribution-client.ts';
import { ImageError } from '../image.ts';
import { parseReference } from '../reference.ts';
import { RegistriesFile } from './registries-file.ts';

const { signal } = new AbortController();
const MANIFEST = '{"schemaVersion":2,"manifests":[]}';

interface Listening extends AsyncDisposable {
  readonly host: string;
  readonly seen: { readonly url: string; readonly authorization: string | undefined }[];
}

async function listen(
  answer: RequestListener,
  tls?: { readonly key: string; readonly certificate: string },
): Promise<Listening> {
  const seen: Listening['seen'][number][] = [];
  const listener: RequestListener = (request, response) => {
    seen.push({ url: request.url ?? '', authorization: request.headers.authorization });
    answer(request, response);
  };
  const server: Server = tls
    ? createSecure({ key: tls.key, cert: tls.certificate }, listener)
    : createPlain(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * A tenth of a second is a turn of this process, in which servers and clients have theirs: waits end soon, and no sooner than
 * what was under way has come, however busy the machine is.
 */
const turnsClock: Clock = {
  ...systemClock,
  after(delayMs, run) {
    let left = Math.ceil(delayMs / 100);
    let next: NodeJS.Immediate;
    const turn = (): void => {
      left -= 1;
      if (left > 0) next = setImmediate(turn);
      else run();
    };
    next = setImmediate(turn);
    return { [Symbol.dispose]: () => clearImmediate(next) };
  },
};

function* noise(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(65_536);
}

async function clientWith(
  folder: string,
  registries: string,
  clock: Clock = hastyClock,
): Promise<DistributionClient> {
  const file = new RegistriesFile(path.join(folder, 'registries.yaml'));
  await writeFile(path.join(folder, 'registries.yaml'), registries);
  return new DistributionClient({
    clock,
    random: seededRandom(1),
    registries: () => file.current(),
  });
}

function hasReason(reason: ImageError['reason'], part: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof ImageError && error.reason === reason && error.message.includes(part);
}

test('client: TLS is believed by the authority it was given, refused with a remedy without', async () => {
  await using folder = await temporaryFolder();
  const authority = makeAuthority();
  await writeFile(path.join(folder.path, 'ca.pem'), authority.certificate);
  await using registry = await listen((_request, response) => {
    response.end(MANIFEST);
  }, authority.serverFor('127.0.0.1'));
  const mirror = `mirrors: { "example.test": { endpoint: ["https://${registry.host}"] } }`;
  const wrong = `mirrors: { "${registry.host}": { endpoint: ["https://${registry.host}"] } }`;
  const reference = parseReference('example.test/hello:v1');
  const own = parseReference(`${registry.host}/hello:v1`);
  const believing = await clientWith(
    folder.path,
    `${mirror}\nconfigs: { "${registry.host}": { tls: { ca_file: ca.pem } } }`,
  );
  assert.equal((await believing.manifest(reference, { signal })).digest, digestOf(MANIFEST));
  const unverified = await clientWith(
    folder.path,
    `${wrong}\nconfigs: { "${registry.host}": { tls: { insecure_skip_verify: true } } }`,
  );
  assert.equal((await unverified.manifest(own, { signal })).digest, digestOf(MANIFEST));
  const doubting = await clientWith(folder.path, wrong);
  await assert.rejects(doubting.manifest(own, { signal }), hasReason('Invalid', 'ca_file'));
});

test('client: plain HTTP behind an https name is told with a remedy', async () => {
  await using folder = await temporaryFolder();
  await using registry = await listen((_request, response) => void response.end(MANIFEST));
  const client = await clientWith(
    folder.path,
    `mirrors: { "${registry.host}": { endpoint: ["https://${registry.host}"] } }`,
  );
  await assert.rejects(
    client.manifest(parseReference(`${registry.host}/hello`), { signal }),
    hasReason('Invalid', 'http:// endpoint'),
  );
});

test('client: a mirror is asked first, without the credentials; what it lacks comes from the registry', async () => {
  await using folder = await temporaryFolder();
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  await using registry = await startTestRegistry(store);
  const { manifest } = await storeImage(store, [await tarOf([{ name: 'a' }])]);
  const { digest, mediaType } = manifest;
  await store.pushed.put('hello', { digest, mediaType, tag: 'v1' });
  await using mirror = await listen((_request, response) => {
    const challenge = { 'www-authenticate': 'Basic realm="mirror"' };
    response.writeHead(mirror.seen.length === 1 ? 401 : 503, challenge).end();
  });
  const client = await clientWith(
    folder.path,
    `mirrors: { "${registry.host}": { endpoint: ["http://${mirror.host}"] } }`,
  );
  const access = { credentials: [{ username: 'u', password: 'p' }], signal };
  const reference = parseReference(`${registry.host}/hello:v1`);
  assert.equal(await client.resolve(reference, access), digest);
  const [config] = manifest.content.kind === 'image' ? [manifest.content.config] : [];
  assert.ok(config);
  const bytes = Buffer.concat(await collected(client.blob(reference, config, access)));
  assert.equal(digestOf(bytes), config.digest);
  assert.ok(mirror.seen.length >= 3);
  assert.deepEqual(new Set(mirror.seen.map((each) => each.authorization)), new Set([undefined]));
});

test('client: a redirect is followed without the credentials, to plain HTTP or without end never', async () => {
  await using folder = await temporaryFolder();
  await using elsewhere = await listen((_request, response) => void response.end('content'));
  const basic = `Basic ${Buffer.from('u:p').toString('base64')}`;
  let target = `http://${elsewhere.host}/signed`;
  const authority = makeAuthority();
  const redirect: RequestListener = (request, response) => {
    if (request.headers.authorization !== basic)
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    else response.writeHead(307, { location: target }).end();
  };
  await using registry = await listen(redirect);
  await using secure = await listen(redirect, authority.serverFor('127.0.0.1'));
  const access = { credentials: [{ username: 'u', password: 'p' }], signal };
  const blob = { mediaType: 'x', digest: digestOf('content'), size: 7 };
  const client = await clientWith(
    folder.path,
    `mirrors: { "${secure.host}": { endpoint: ["https://${secure.host}"] } }
configs: { "${secure.host}": { tls: { insecure_skip_verify: true } } }`,
  );
  const read = async (host: string): Promise<string> =>
    Buffer.concat(
      await collected(client.blob(parseReference(`${host}/hello`), blob, access)),
    ).toString();
  assert.equal(await read(registry.host), 'content');
  assert.deepEqual(elsewhere.seen, [{ url: '/signed', authorization: undefined }]);
  await assert.rejects(read(secure.host), hasReason('Invalid', 'wanted https'));
  target = '/again';
  await assert.rejects(read(registry.host), hasReason('Invalid', 'redirects more than'));
});

test('client: an answer that never begins, stands still or never ends is given up', async () => {
  await using folder = await temporaryFolder();
  const client = await clientWith(folder.path, '');
  // Of the two that never answer, only the time-outs count.
  const impatient = await clientWith(folder.path, '', turnsClock);
  const pull = async (host: string, by = client): Promise<number> => {
    const blob = { mediaType: 'x', digest: digestOf('content'), size: 1_000_000 };
    let taken = 0;
    for await (const chunk of by.blob(parseReference(`${host}/hello`), blob, { signal })) {
      taken += chunk.length;
      if (taken > blob.size) return taken;
    }
    return taken;
  };
  await using silent = await listen(() => undefined);
  await assert.rejects(pull(silent.host, impatient), hasReason('Unavailable', 'no answer within'));
  await using still = await listen((_request, response) => {
    response.writeHead(200, { 'content-length': '1000000' }).write('a');
  });
  await assert.rejects(pull(still.host, impatient), hasReason('Unavailable', 'nothing received'));
  await using endless = await listen((_request, response) => {
    pipeline(Readable.from(noise()), response).catch(() => undefined);
  });
  assert.ok((await pull(endless.host)) > 1_000_000, 'more than it said: for the taker to refuse');
  await using lying = await listen((_request, response) => {
    response.writeHead(200, { 'content-length': '2000000' }).end('short');
  });
  await assert.rejects(pull(lying.host), hasReason('Unavailable', digestOf('content')));
});

test('client: a registry that is slow takes nothing from another', async () => {
  await using folder = await temporaryFolder();
  const client = await clientWith(folder.path, '');
  const stop = new AbortController();
  await using slow = await listen((_request, response) => {
    response.writeHead(200, { 'content-length': '1000000' }).write('a');
  });
  await using quick = await listen((_request, response) => void response.end(MANIFEST));
  const blob = { mediaType: 'x', digest: digestOf('content'), size: 1_000_000 };
  const first: Promise<void>[] = [];
  for (let count = 0; count < 20; count += 1) {
    const source = client.blob(parseReference(`${slow.host}/hello`), blob, stop);
    first.push(
      collected(source).then(
        () => undefined,
        () => undefined,
      ),
    );
  }
  const { digest } = await client.manifest(parseReference(`${quick.host}/hello`), { signal });
  assert.equal(digest, digestOf(MANIFEST));
  stop.abort();
  await Promise.all(first);
});

test('client: an answer that trickles, and an error or a token that never ends, are given up', async () => {
  await using folder = await temporaryFolder();
  const client = await clientWith(folder.path, '', turnsClock);
  const pull = async (host: string): Promise<unknown> =>
    await client.manifest(parseReference(`${host}/hello:v1`), { signal });
  await using trickling = await listen((_request, response) => {
    response.writeHead(200);
    const drip = (): void =>
      void (response.destroyed || response.write(' ', () => setImmediate(drip)));
    drip();
  });
  await assert.rejects(pull(trickling.host), hasReason('Unavailable', 'broke off'));
  await using failing = await listen((_request, response) => {
    response.writeHead(503).write('{"errors":[');
  });
  await assert.rejects(pull(failing.host), hasReason('Unavailable', 'status 503'));
  assert.equal(failing.seen.length, 5, 'each attempt ends');
  await using tokens = await listen(({ url }, response) => {
    if (url?.startsWith('/token')) return void response.writeHead(200).write('{"token":"');
    const realm = `Bearer realm="http://${tokens.host}/token"`;
    return void response.writeHead(401, { 'www-authenticate': realm }).end();
  });
  await assert.rejects(pull(tokens.host), hasReason('Unavailable', 'token answer broke off'));
});

test('client: a manifest that breaks off is asked for again; a pause that is cut short says what for', async () => {
  await using folder = await temporaryFolder();
  await using breaking = await listen((_request, response) => {
    if (breaking.seen.length > 2) return void response.end(MANIFEST);
    response.writeHead(200, { 'content-length': MANIFEST.length });
    return void response.write(MANIFEST.slice(0, 9), () => response.destroy());
  });
  const client = await clientWith(folder.path, '');
  const reference = parseReference(`${breaking.host}/hello:v1`);
  assert.equal((await client.manifest(reference, { signal })).digest, digestOf(MANIFEST));
  assert.equal(breaking.seen.length, 3);
  await using busy = await listen((_request, response) => {
    response.writeHead(429, { 'retry-after': '20' }).end();
  });
  const gone = new AbortController();
  const patient = await clientWith(folder.path, '', {
    ...hastyClock,
    after(delayMs, run) {
      // The pause that the registry asked for; nothing else is as long.
      if (delayMs === 20_000) setImmediate(() => gone.abort(new Error('no answer in time')));
      return hastyClock.after(delayMs, run);
    },
  });
  await assert.rejects(
    patient.resolve(parseReference(`${busy.host}/hello:v1`), { signal: gone.signal }),
    hasReason('Unavailable', 'status 429'),
  );
});

test('client: pauses between attempts double, each with a share of chance', async () => {
  await using failing = await listen((_request, response) => void response.writeHead(503).end());
  const pausesOf = async (seed: number): Promise<readonly number[]> => {
    const pauses: number[] = [];
    const client = new DistributionClient({
      random: seededRandom(seed),
      clock: {
        ...hastyClock,
        after(delayMs, run) {
          // The other waits are time-outs of half a minute and more.
          if (delayMs < 10_000) pauses.push(delayMs);
          return hastyClock.after(delayMs, run);
        },
      },
    });
    const reference = parseReference(`${failing.host}/hello:v1`);
    await assert.rejects(client.manifest(reference, { signal }), hasReason('Unavailable', '503'));
    return pauses;
  };
  const [one, other] = [await pausesOf(1), await pausesOf(2)];
  assert.equal(failing.seen.length, 10, 'five attempts each');
  for (const pauses of [one, other])
    for (const [at, leastMs] of [300, 600, 1_200, 2_400].entries()) {
      const pauseMs = pauses[at] ?? 0;
      assert.ok(pauseMs >= leastMs && pauseMs <= leastMs * 1.5, `${pauseMs} ms`);
    }
  assert.notDeepEqual(one, other, 'two that fail together do not come again together');
});
