import type { Clock } from '#base/clock.ts';
import type { DeploymentConfig } from '#api/serving-config/config-deployment.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { keyOf, type Key, type Trigger } from '#reconcile/controller.ts';

/** `repository@sha256:…` for an image by tag, with what opens its registry; throws an Error that says why it cannot. */
export type ResolveDigest = (
  image: string,
  revision: Pick<Revision, 'metadata' | 'spec'>,
  signal: AbortSignal,
) => Promise<string>;

export type Resolution =
  | { readonly state: 'pending' }
  | { readonly state: 'resolved'; readonly digests: ReadonlyMap<string, string> }
  | { readonly state: 'failed'; readonly image: string; readonly reason: string };

/** How registries are asked: how long each may take, and which are not. */
interface Asking {
  readonly settings: Pick<
    DeploymentConfig,
    'digestResolutionTimeoutMs' | 'registriesSkippingTagResolving'
  >;
  readonly signal: AbortSignal;
}

/**
 * Resolves the images of revisions beside the reconciles, so that a registry that hangs holds up nothing but its own
 * revision. A resolution is handed out once: asked for again after that, it is made anew.
 */
export class DigestResolver {
  readonly #resolve: ResolveDigest;
  readonly #clock: Clock;
  readonly #resolutions = new Map<string, Resolution>();
  readonly #listeners = new Set<(key: Key) => void>();

  constructor(resolve: ResolveDigest, clock: Clock) {
    this.#resolve = resolve;
    this.#clock = clock;
  }

  /** Enqueues a revision when its resolution is there. */
  readonly trigger: Trigger = (enqueue, signal) => {
    this.#listeners.add(enqueue);
    signal.addEventListener('abort', () => this.#listeners.delete(enqueue), { once: true });
  };

  /** `images` by container name. An image of a registry that is not asked has an empty digest. */
  take(revision: Revision, images: ReadonlyMap<string, string>, asking: Asking): Resolution {
    const key = keyOf(revision);
    const id = `${key.namespace}/${key.name}`;
    const known = this.#resolutions.get(id);
    if (known?.state === 'pending') return known;
    if (known) {
      this.#resolutions.delete(id);
      return known;
    }
    this.#resolutions.set(id, { state: 'pending' });
    void this.#resolveAll(images, revision, asking).then((resolution) => {
      // Forgotten meanwhile: nobody waits for it.
      if (!this.#resolutions.has(id)) return;
      this.#resolutions.set(id, resolution);
      for (const enqueue of this.#listeners) enqueue(key);
    });
    return { state: 'pending' };
  }

  forget(key: Key): void {
    this.#resolutions.delete(`${key.namespace}/${key.name}`);
  }

  /** All or nothing. */
  async #resolveAll(
    images: ReadonlyMap<string, string>,
    revision: Revision,
    { settings, signal }: Asking,
  ): Promise<Resolution> {
    const { digestResolutionTimeoutMs: timeoutMs, registriesSkippingTagResolving } = settings;
    const digests = new Map<string, string>();
    for (const [container, image] of images) {
      if (registriesSkippingTagResolving.includes(registryOf(image))) {
        digests.set(container, '');
        continue;
      }
      const deadline = new AbortController();
      using _timer = this.#clock.after(timeoutMs, () =>
        deadline.abort(new Error(`no answer within ${timeoutMs / 1_000} s`)),
      );
      try {
        const attempt = AbortSignal.any([signal, deadline.signal]);
        digests.set(container, await this.#resolve(image, revision, attempt));
      } catch (error) {
        // Whatever went wrong is the revision's condition, in the resolver's words.
        const reason = error instanceof Error ? error.message : String(error);
        return { state: 'failed', image, reason };
      }
    }
    return { state: 'resolved', digests };
  }
}

/** `docker.io` for an image that names none. */
function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return isHost ? first : 'docker.io';
}
