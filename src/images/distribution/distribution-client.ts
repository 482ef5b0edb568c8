import type { Clock } from '#base/clock.ts';
import type { ContentStore } from '../content/content-store.ts';
import { type Digest, digestOf, parseDigest } from '../digest.ts';
import { ImageError, type RegistryAccess } from '../image.ts';
import {
  childrenOf,
  type Descriptor,
  MANIFEST_BYTES_MAX,
  MANIFEST_MEDIA_TYPES,
  type Manifest,
  parseManifest,
} from '../manifest.ts';
import { formatReference, manifestKeyOf, type Reference } from '../reference.ts';
import type { RegistryHost } from './registries.ts';
import {
  type Call,
  RegistryConnection,
  type RegistryConnectionOptions,
} from './registry-connection.ts';
import type { RegistryAnswer } from './registry-http.ts';

const ACCEPT = MANIFEST_MEDIA_TYPES.join(', ');
/** A download that stands still this long, or brings less than PROGRESS_BYTES_MIN in that long, is broken off and resumed. */
const STALL_MS = 30_000;
const PACE_MS = 300_000;
/** Interruptions of one blob's download with next to nothing between them. */
const STALLS_MAX = 5;
const PROGRESS_BYTES_MIN = 64 * 1024;

export type DistributionClientOptions = RegistryConnectionOptions;

/** A client of any registry (OCI distribution specification 1.1). Every digest is verified before it is returned. */
export class DistributionClient {
  readonly #connection: RegistryConnection;
  readonly #clock: Clock;

  constructor(options: DistributionClientOptions) {
    this.#connection = new RegistryConnection(options);
    this.#clock = options.clock;
  }

  /** The digest that a reference has now; of the index where there is one. Throws ImageError. */
  async resolve(reference: Reference, access: RegistryAccess): Promise<Digest> {
    if (reference.digest) return reference.digest;
    return await this.#fromAny(reference, access, async (host) => {
      const answer = await this.#connection.call(host, manifestPath(reference), {
        ...pullCall(reference, access),
        method: 'HEAD',
        headers: { accept: ACCEPT },
        // Some registries do not answer HEAD here; GET says the same.
        accept: [200, 400, 405],
      });
      answer.discard();
      const digest = answer.header('docker-content-digest');
      if (answer.status === 200 && digest) return parseDigest(digest, formatReference(reference));
      return (await this.#manifestFrom(host, reference, access)).digest;
    });
  }

  /** Throws ImageError: `NotFound`, or `Invalid` when the content is not what its digest says. */
  async manifest(reference: Reference, access: RegistryAccess): Promise<Manifest> {
    return await this.#fromAny(reference, access, (host) =>
      this.#manifestFrom(host, reference, access),
    );
  }

  async #manifestFrom(
    host: RegistryHost,
    reference: Reference,
    access: RegistryAccess,
  ): Promise<Manifest> {
    const { bytes, declared } = await this.#connection.read(host, manifestPath(reference), {
      ...pullCall(reference, access),
      headers: { accept: ACCEPT },
      take: async (answer) => ({
        bytes: await this.#readWhole(answer, host),
        declared: answer.header('content-type')?.split(';')[0]?.trim(),
      }),
    });
    // Before anything is made of it.
    const found = digestOf(bytes);
    if (reference.digest && reference.digest !== found)
      throw new ImageError('Invalid', `${formatReference(reference)}: the registry sent ${found}`);
    return parseManifest(
      bytes,
      declared && MANIFEST_MEDIA_TYPES.includes(declared) ? declared : undefined,
    );
  }

  async #readWhole(answer: RegistryAnswer, { base }: RegistryHost): Promise<Uint8Array> {
    try {
      return await readLimited(this.#unstalled(answer), MANIFEST_BYTES_MAX);
    } catch (error) {
      if (error instanceof ImageError) throw error;
      throw new ImageError('Unavailable', `registry ${base.host}: its answer broke off`, error);
    }
  }

  /**
   * The blob's bytes, at most as many as its descriptor says; an interrupted download goes on where it stopped. The
   * digest is for the taker to verify, as ContentStore.ingest does.
   */
  async *blob(
    reference: Reference,
    descriptor: Descriptor,
    access: RegistryAccess,
  ): AsyncGenerator<Uint8Array> {
    const progress = { received: 0 };
    const hosts = await this.#connection.hostsOf(reference.domain);
    for (const [at, host] of hosts.entries())
      try {
        yield* this.#blobFrom(host, { reference, descriptor, access, progress });
        return;
      } catch (error) {
        if (!(error instanceof ImageError) || at === hosts.length - 1) throw error;
      }
  }

  async *#blobFrom(host: RegistryHost, download: Download): AsyncGenerator<Uint8Array> {
    const { reference, descriptor, access, progress } = download;
    for (let stalls = 0; progress.received < descriptor.size;) {
      const { received: before } = progress;
      const answer = await this.#connection.call(
        host,
        `${reference.path}/blobs/${descriptor.digest}`,
        {
          ...pullCall(reference, access),
          ...(before > 0 && { headers: { range: `bytes=${before}-` } }),
          accept: [200, 206],
        },
      );
      // A registry that ignores the range begins again from the first byte.
      let skip = answer.status === 206 ? 0 : before;
      try {
        for await (const chunk of this.#unstalled(answer)) {
          const fresh = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - fresh.length;
          progress.received += fresh.length;
          if (fresh.length > 0) yield fresh;
        }
        if (progress.received < descriptor.size) throw new Error('the answer ended early');
      } catch (error) {
        access.signal.throwIfAborted();
        stalls = progress.received - before >= PROGRESS_BYTES_MIN ? 1 : stalls + 1;
        if (stalls >= STALLS_MAX)
          throw new ImageError(
            'Unavailable',
            `registry ${host.base.host}: blob ${descriptor.digest}: ${error instanceof Error ? error.message : 'broken off'}`,
            error,
          );
      }
    }
  }

  /** What the first of a registry's mirrors, or at last the registry itself, has to say. */
  async #fromAny<T>(
    { domain }: Reference,
    { signal }: RegistryAccess,
    ask: (host: RegistryHost) => Promise<T>,
  ): Promise<T> {
    const hosts = await this.#connection.hostsOf(domain);
    for (const [at, host] of hosts.entries())
      try {
        return await ask(host);
      } catch (error) {
        const isLast = signal.aborted || at === hosts.length - 1;
        if (!(error instanceof ImageError) || isLast) throw error;
      }
    throw new ImageError('Invalid', `registry ${domain}: no host is known for it`);
  }

  /** Sends an image that the store holds, and what the registry does not have of it. Throws ImageError. */
  async push(reference: Reference, options: PushOptions): Promise<void> {
    const host = (await this.#connection.hostsOf(reference.domain)).at(-1);
    if (!host)
      throw new ImageError('Invalid', `registry ${reference.domain}: no host is known for it`);
    await this.#pushTo(host, reference, { ...options, sent: new Set() });
  }

  async #pushTo(host: RegistryHost, reference: Reference, options: Pushing): Promise<void> {
    const { store, manifest, sent } = options;
    const { content } = manifest;
    // Indexes of indexes may name the same one in more ways than there is time for.
    if (!reference.tag && sent.has(manifest.digest)) return;
    sent.add(manifest.digest);
    if (content.kind === 'index')
      for (const child of content.manifests) {
        const bytes = await store.read(child.digest, MANIFEST_BYTES_MAX);
        if (!bytes)
          throw new ImageError('NotFound', `manifest ${child.digest}: not on this machine`);
        const { tag: _tag, ...untagged } = reference;
        const childManifest = parseManifest(bytes, child.mediaType);
        await this.#pushTo(
          host,
          { ...untagged, digest: child.digest },
          { ...options, manifest: childManifest },
        );
      }
    else
      for (const child of childrenOf(manifest))
        await this.#pushBlob(host, { reference, blob: child, options });
    const key = reference.tag ?? manifest.digest;
    await this.#discard(host, `${reference.path}/manifests/${key}`, {
      ...pushCall(reference, options),
      method: 'PUT',
      headers: { 'content-type': manifest.mediaType },
      body: manifest.bytes,
      accept: [200, 201, 202],
    });
  }

  async #pushBlob(host: RegistryHost, { reference, blob, options }: BlobPush): Promise<void> {
    const { digest } = blob;
    const { store, onProgress } = options;
    const call = pushCall(reference, options);
    const stored = await store.stat(digest);
    if (!stored) throw new ImageError('NotFound', `blob ${digest}: not on this machine`);
    const found = await this.#discard(host, `${reference.path}/blobs/${digest}`, {
      ...call,
      method: 'HEAD',
      accept: [200, 404],
    });
    if (found.status === 200) return;
    onProgress?.({ digest, size: stored.size });
    const begun = await this.#discard(host, `${reference.path}/blobs/uploads/`, {
      ...call,
      method: 'POST',
      accept: [202],
    });
    const location = URL.parse(begun.header('location') ?? '', begun.url);
    const isSafe = location?.protocol === 'https:' || location?.origin === begun.url.origin;
    if (!location || !isSafe)
      throw new ImageError(
        'Invalid',
        `registry ${host.base.host}: it sends the upload to ${location?.origin ?? 'nowhere'}, wanted https`,
      );
    location.searchParams.set('digest', digest);
    // What opens this registry is not for another host.
    const isOther = location.origin !== begun.url.origin;
    await this.#discard(host, location.href, {
      ...call,
      ...(isOther && { credentials: [] }),
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: { file: store.blobPath(digest), size: stored.size },
      accept: [201],
    });
  }

  async #discard(host: RegistryHost, path: string, call: Call): Promise<RegistryAnswer> {
    const answer = await this.#connection.call(host, path, call);
    answer.discard();
    return answer;
  }

  /** A body that fails when nothing arrives for a while, or next to nothing for long. */
  async *#unstalled({ body }: RegistryAnswer): AsyncGenerator<Uint8Array> {
    const limit = (ms: number, what: string): Disposable =>
      this.#clock.after(ms, () => void body.destroy(new Error(`${what} for ${ms / 1000} seconds`)));
    let stall = limit(STALL_MS, 'nothing received');
    let pace = limit(PACE_MS, 'next to nothing received');
    let received = 0;
    try {
      for await (const chunk of body) {
        stall[Symbol.dispose]();
        // Without an encoding, a request's body comes as Buffers.
        received += (chunk as Buffer).length;
        yield chunk as Buffer;
        stall = limit(STALL_MS, 'nothing received');
        if (received < PROGRESS_BYTES_MIN) continue;
        pace[Symbol.dispose]();
        pace = limit(PACE_MS, 'next to nothing received');
        received = 0;
      }
    } finally {
      stall[Symbol.dispose]();
      pace[Symbol.dispose]();
    }
  }
}

export interface PushOptions extends RegistryAccess {
  readonly store: ContentStore;
  readonly manifest: Manifest;
}

interface Pushing extends PushOptions {
  /** Manifests that are there already, or on their way. */
  readonly sent: Set<Digest>;
}

interface BlobPush {
  readonly reference: Reference;
  readonly blob: Descriptor;
  readonly options: PushOptions;
}

interface Download {
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  readonly access: RegistryAccess;
  readonly progress: { received: number };
}

function manifestPath(reference: Reference): string {
  return `${reference.path}/manifests/${manifestKeyOf(reference)}`;
}

function pullCall({ path }: Reference, { credentials = [], signal }: RegistryAccess): Call {
  return { method: 'GET', repository: path, access: 'pull', credentials, accept: [200], signal };
}

function pushCall(reference: Reference, access: RegistryAccess): Call {
  return { ...pullCall(reference, access), access: 'pull,push' };
}

async function readLimited(
  source: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > bytesMax) throw new ImageError('Invalid', `manifest: more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
