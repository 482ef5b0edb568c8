import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { seededRandom } from '#base/random.ts';
import { Secret } from '#api/core-v1/secret.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import type { Image } from '#images/image.ts';
import { openImages, type LocalImages } from '#images/images.ts';
import { platformOf } from '#images/manifest.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import {
  hastyClock,
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import { pullImage } from './image-pull.ts';

interface Bed extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly images: LocalImages;
  readonly clock: FakeClock;
  /** A registry with `hello:v1`. */
  readonly host: string;
  /** What was said, in order: states of the container and Events. */
  readonly said: string[];
  pull(container: Partial<Container>, spec?: object): Promise<Image>;
  /** Lets time pass until so much was said. */
  saidOnce(count: number): Promise<readonly string[]>;
}

async function startBed(): Promise<Bed> {
  const owned = new AsyncDisposableStack();
  const near = owned.use(await temporaryFolder());
  const far = owned.use(await temporaryFolder());
  const cluster = owned.use(await startCluster());
  const remote = await openTestStore(far.path);
  const { manifest } = await storeImage(remote, [await tarOf([{ name: 'file' }])]);
  const { digest, mediaType } = manifest;
  await remote.pushed.put('hello', { digest, mediaType, tag: 'v1' });
  const { host } = owned.use(await startTestRegistry(remote));
  const random = seededRandom(1);
  const images = await openImages({
    store: await openTestStore(near.path),
    client: new DistributionClient({ clock: hastyClock, random }),
    platform: platformOf('x64'),
    owners: 'current',
    clock: hastyClock,
    isBuiltIn: (domain) => domain === 'localhost:5000',
  });
  const clock = new FakeClock();
  const said: string[] = [];
  const stop = new AbortController();
  owned.defer(() => stop.abort());
  return {
    cluster,
    images,
    clock,
    host,
    said,
    async pull(container, spec = {}) {
      const pulling = pullImage(
        { name: 'main', ...container },
        {
          parts: { client: cluster.client, images, clock, random },
          pod: { metadata: { name: 'p', namespace: 'default' }, spec } as Pod,
          waiting: (reason, message) => void said.push(`${reason}: ${message}`),
          says: (type, reason, message) => void said.push(`${type} ${reason} ${message}`),
          signal: stop.signal,
        },
      );
      pulling.catch(() => undefined);
      return await pulling;
    },
    async saidOnce(count) {
      while (said.length < count) {
        await new Promise(setImmediate);
        clock.advance(100);
      }
      return said;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

test('image pull: Never waits for somebody to load the image; IfNotPresent does not ask for what is here', async () => {
  await using bed = await startBed();
  const image = `${bed.host}/hello:v1`;
  const pulling = bed.pull({ image, imagePullPolicy: 'Never' });
  const message = `Container image "${image}" is not present with pull policy of Never`;
  const never = [
    `ErrImageNeverPull: ${message}`,
    `Warning ErrImageNeverPull ${message}`,
    'Warning Failed Error: ErrImageNeverPull',
  ];
  assert.deepEqual((await bed.saidOnce(3)).slice(0, 3), never);
  await bed.images.pull(image, { signal: new AbortController().signal });
  await bed.saidOnce(4);
  assert.ok((await pulling).digest);
  assert.equal(
    bed.said.at(-1),
    `Normal Pulled Container image "${image}" already present on machine`,
  );
  bed.said.length = 0;
  await bed.pull({ image });
  await bed.pull({ image, imagePullPolicy: 'Always' });
  assert.deepEqual(
    bed.said.map((text) => text.replace(/in .*s$/, 'in TIME')),
    [
      `Normal Pulled Container image "${image}" already present on machine`,
      `Normal Pulling Pulling image "${image}"`,
      `Normal Pulled Successfully pulled image "${image}" in TIME`,
    ],
  );
});

test('image pull: a name that is none is told as the kubelet tells it', async () => {
  await using bed = await startBed();
  void bed.pull({ image: 'Bad Name' }).catch(() => undefined);
  const [state = '', event = '', error] = await bed.saidOnce(3);
  const words =
    'Failed to apply default image tag "Bad Name": couldn\'t parse image name "Bad Name": invalid reference format';
  assert.ok(state.startsWith(`InvalidImageName: ${words}`), state);
  assert.ok(event.startsWith(`Warning InspectFailed ${words}`), event);
  assert.equal(error, 'Warning Failed Error: InvalidImageName');
});

test('image pull: what cannot be pulled backs off, and says which secrets are missing', async () => {
  await using bed = await startBed();
  const image = `${bed.host}/none:v1`;
  await bed.cluster.client.create(Secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'other', namespace: 'default' },
    data: {},
  });
  const imagePullSecrets = [{ name: 'gone' }, { name: 'other' }, {}];
  void bed.pull({ image }, { imagePullSecrets }).catch(() => undefined);
  const said = await bed.saidOnce(9);
  const why = /registry .*MANIFEST_UNKNOWN.*/.exec(said[2] ?? '')?.[0] ?? '';
  const once = [
    'Warning FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed.',
    `Normal Pulling Pulling image "${image}"`,
    `ErrImagePull: ${why}`,
    `Warning Failed Failed to pull image "${image}": ${why}`,
    'Warning Failed Error: ErrImagePull',
    `Normal BackOff Back-off pulling image "${image}"`,
    'Warning Failed Error: ImagePullBackOff',
    `ImagePullBackOff: Back-off pulling image "${image}": ErrImagePull: ${why}`,
  ];
  assert.deepEqual(said.slice(0, 8), once);
  const firstMs = bed.clock.monotonicMs();
  assert.ok(firstMs >= 10_000, 'it waited');
  await bed.saidOnce(17);
  const secondMs = bed.clock.monotonicMs() - firstMs;
  assert.ok(secondMs >= 20_000, `twice as long, not ${secondMs} ms`);
});
