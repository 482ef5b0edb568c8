import { openAsBlob } from 'node:fs';
import type { Clock } from '#base/clock.ts';
import type { ContentStore } from './content-store.ts';
import { type Digest, parseDigest } from './digest.ts';
import { ImageError } from './image.ts';
import {
  childrenOf,
  type Descriptor,
  MANIFEST_BYTES_MAX,
  MANIFEST_MEDIA_TYPES,
  type Manifest,
  parseManifest,
} from './manifest.ts';
import { formatReference, manifestKeyOf, type Reference } from './reference.ts';
import { RegistryConnection, type RegistryConnectionOptions } from './registry-connection.ts';

const ACCEPT = MANIFEST_MEDIA_TYPES.join(', ');
/** A download that stands still this long is broken off and resumed. */
const STALL_MS = 30_000;
/** Interruptions of one blob's download without a byte between them. */
const STALLS_MAX = 5;

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
  async resolve(reference: Reference, signal: AbortSignal): Promise<Digest> {
    if (reference.digest) return reference.digest;
    const url = this.#urlOf(reference, `manifests/${manifestKeyOf(reference)}`);
    const reply = await this.#connection.call(url, reference.path, {
      method: 'HEAD',
      headers: { accept: ACCEPT },
      access: 'pull',
      // Some registries do not answer HEAD here; GET says the same.
      accept: [200, 400, 405],
      signal,
    });
    const digest = reply.headers.get('docker-content-digest');
    if (reply.status === 200 && digest) return parseDigest(digest, formatReference(reference));
    return (await this.manifest(reference, signal)).digest;
  }

  /** Throws ImageError: `NotFound`, or `Invalid` when the content is not what its digest says. */
  async manifest(reference: Reference, signal: AbortSignal): Promise<Manifest> {
    const url = this.#urlOf(reference, `manifests/${manifestKeyOf(reference)}`);
    const reply = await this.#connection.call(url, reference.path, {
      method: 'GET',
      headers: { accept: ACCEPT },
      access: 'pull',
      accept: [200],
      signal,
    });
    const bytes = await readLimited(this.#unstalled(reply, signal), MANIFEST_BYTES_MAX);
    const declared = reply.headers.get('content-type')?.split(';')[0]?.trim();
    const manifest = parseManifest(
      bytes,
      declared && MANIFEST_MEDIA_TYPES.includes(declared) ? declared : undefined,
    );
    if (reference.digest && reference.digest !== manifest.digest)
      throw new ImageError(
        'Invalid',
        `${formatReference(reference)}: the registry sent ${manifest.digest}`,
      );
    return manifest;
  }

  /**
   * The blob's bytes, at most as many as its descriptor says; an interrupted download goes on where it stopped. The
   * digest is for the taker to verify, as ContentStore.ingest does.
   */
  async *blob(
    reference: Reference,
    descriptor: Descriptor,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const url = this.#urlOf(reference, `blobs/${descriptor.digest}`);
    let received = 0;
    for (let stalls = 0; received < descriptor.size;) {
      const headers: Record<string, string> = received > 0 ? { range: `bytes=${received}-` } : {};
      const call = { method: 'GET', headers, access: 'pull', accept: [200, 206], signal } as const;
      const reply = await this.#connection.call(url, reference.path, call);
      // A registry that ignores the range begins again from the first byte.
      let skip = reply.status === 206 ? 0 : received;
      const before = received;
      try {
        for await (const chunk of this.#unstalled(reply, signal)) {
          const fresh = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - fresh.length;
          received += fresh.length;
          if (fresh.length > 0) yield fresh;
        }
        if (received < descriptor.size) throw new Error('the answer ended early');
      } catch (error) {
        signal.throwIfAborted();
        stalls = received > before ? 1 : stalls + 1;
        if (stalls >= STALLS_MAX)
          throw new ImageError('Unavailable', `${url.host}: blob ${descriptor.digest}`, error);
      }
    }
  }

  /** Sends an image that the store holds, and what the registry does not have of it. Throws ImageError. */
  async push(reference: Reference, { store, manifest, signal }: PushOptions): Promise<void> {
    const { content } = manifest;
    if (content.kind === 'index')
      for (const child of content.manifests) {
        const bytes = await store.read(child.digest, MANIFEST_BYTES_MAX);
        if (!bytes)
          throw new ImageError('NotFound', `manifest ${child.digest}: not on this machine`);
        const { tag: _tag, ...untagged } = reference;
        const childManifest = parseManifest(bytes, child.mediaType);
        await this.push(
          { ...untagged, digest: child.digest },
          { store, manifest: childManifest, signal },
        );
      }
    else
      for (const child of childrenOf(manifest))
        await this.#pushBlob(reference, child, { store, signal });
    const key = reference.tag ?? manifest.digest;
    await this.#discard(this.#urlOf(reference, `manifests/${key}`), reference, {
      method: 'PUT',
      headers: { 'content-type': manifest.mediaType },
      body: new Uint8Array(manifest.bytes),
      access: 'pull,push',
      accept: [200, 201, 202],
      signal,
    });
  }

  async #pushBlob(
    reference: Reference,
    { digest }: Descriptor,
    { store, signal }: Pick<PushOptions, 'store' | 'signal'>,
  ): Promise<void> {
    const access = 'pull,push';
    const url = this.#urlOf(reference, `blobs/${digest}`);
    const found = await this.#discard(url, reference, {
      method: 'HEAD',
      access,
      accept: [200, 404],
      signal,
    });
    if (found.status === 200) return;
    const begun = await this.#discard(this.#urlOf(reference, 'blobs/uploads/'), reference, {
      method: 'POST',
      access,
      accept: [202],
      signal,
    });
    const location = URL.parse(begun.headers.get('location') ?? '', begun.url);
    if (!location)
      throw new ImageError('Invalid', `registry ${url.host}: it does not say where to upload`);
    location.searchParams.set('digest', digest);
    await this.#discard(location, reference, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      // A Blob of a file has a known length and is read as it is sent.
      body: await openAsBlob(store.blobPath(digest)),
      access,
      accept: [201],
      signal,
    });
  }

  async #discard(
    url: URL,
    reference: Reference,
    call: Parameters<RegistryConnection['call']>[2],
  ): Promise<Response> {
    const reply = await this.#connection.call(url, reference.path, call);
    await reply.body?.cancel();
    return reply;
  }

  /** A body that fails when nothing arrives for a while. */
  async *#unstalled(reply: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (!reply.body) return;
    const reader = reply.body.getReader();
    const { promise: stalled, reject } = Promise.withResolvers<never>();
    stalled.catch(() => undefined);
    try {
      for (;;) {
        const late = (): void =>
          reject(new Error(`nothing received for ${STALL_MS / 1000} seconds`));
        using _timer = this.#clock.after(STALL_MS, late);
        const { done, value } = await Promise.race([reader.read(), stalled]);
        signal.throwIfAborted();
        if (done) return;
        yield value;
      }
    } finally {
      // Cancelling a body that has failed already fails in the same way.
      await reader.cancel().catch(() => undefined);
    }
  }

  #urlOf({ domain, path }: Reference, below: string): URL {
    return this.#connection.urlOf(domain, `${path}/${below}`);
  }
}

export interface PushOptions {
  readonly store: ContentStore;
  readonly manifest: Manifest;
  readonly signal: AbortSignal;
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
