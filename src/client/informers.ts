import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Selection } from '#client/client.ts';
import { Informer, type InformerOptions } from '#client/informer.ts';

export interface InformersOptions extends Omit<InformerOptions, 'selection'> {
  /**
   * Which objects of a kind are seen at all, where not every one is worth its memory. Whoever looks an object of that kind
   * up by its name must want none of the others.
   */
  readonly selectionOf?: (kind: Kind) => Selection | undefined;
}

/** One informer per kind, started when it is first asked for and shared by all who ask. */
export class Informers implements AsyncDisposable {
  readonly #options: InformersOptions;
  /** By the name of its kind, whose type each has; the map itself cannot say so. */
  readonly #informers = new Map<string, object>();

  constructor(options: InformersOptions) {
    this.#options = options;
  }

  of<T extends KubeObject>(kind: Kind<T>): Informer<T> {
    const running = this.running(kind);
    if (running) return running;
    const { selectionOf, ...options } = this.#options;
    const selection = selectionOf?.(kind);
    const informer = new Informer(kind, { ...options, ...(selection && { selection }) });
    this.#informers.set(nameOf(kind), informer);
    return informer;
  }

  /** The kind's informer where somebody asked for it already. */
  running<T extends KubeObject>(kind: Kind<T>): Informer<T> | undefined {
    return this.#informers.get(nameOf(kind)) as Informer<T> | undefined;
  }

  /** Of a kind that is served no more. Whoever asks for it later gets a new one. */
  async stop(kind: Kind): Promise<void> {
    const informer = this.running(kind);
    this.#informers.delete(nameOf(kind));
    await informer?.[Symbol.asyncDispose]();
  }

  all(): readonly Informer<KubeObject>[] {
    return [...this.#informers.values()] as Informer<KubeObject>[];
  }

  /** Resolves once every informer asked for so far has its first list. */
  async synced(): Promise<void> {
    await Promise.all(this.all().map((informer) => informer.synced()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all().map((informer) => informer[Symbol.asyncDispose]()));
  }
}

function nameOf(kind: Kind): string {
  return `${apiVersionOf(kind)} ${kind.kind}`;
}
