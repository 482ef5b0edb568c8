import { isDeepStrictEqual } from 'node:util';
import { backoffMs } from '#base/backoff.ts';
import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { CustomResourceDefinition } from '#api/apiextensions-v1/custom-resource-definition.ts';
import type { Kind } from '#api/kind.ts';
import type { ServedKinds } from '#api/served-kinds.ts';
import { removeInstances } from '#apiserver/custom-resources/cleanup.ts';
import { kindsOf } from '#apiserver/custom-resources/custom-kinds.ts';
import {
  desiredStatus,
  isTrue,
  type TakenNames,
} from '#apiserver/custom-resources/names-accepted.ts';
import { objectOf, prefixOf, storedText } from '#apiserver/stored-object.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { StaleRevision, type Entry, type Store } from '#store/store.ts';

const RETRY = { firstMs: 10, maxMs: 1000 };
const PREFIX = prefixOf(CustomResourceDefinition, undefined);

export interface CustomResourcesOptions {
  readonly store: Store;
  /** The kinds that are served without a definition; their names are taken. */
  readonly builtIn: readonly Kind[];
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the following of definitions. */
  readonly signal: AbortSignal;
}

interface Served {
  readonly definition: CustomResourceDefinition;
  readonly kinds: readonly Kind[];
  readonly withdraw: AbortController;
}

/**
 * The kinds of the server: those built in, and those of the CustomResourceDefinitions in its store. A definition is
 * established as soon as its write is seen: its kinds are served before its status says so.
 */
export class CustomResources implements ServedKinds {
  readonly #options: CustomResourcesOptions;
  readonly #served = new Map<string, Served>();
  readonly #listeners = new Set<() => void>();
  readonly #cleaning = new Set<string>();
  #current: readonly Kind[];

  private constructor(options: CustomResourcesOptions) {
    this.#options = options;
    this.#current = options.builtIn;
  }

  /** Resolves when the definitions there are have been read once. */
  static async open(options: CustomResourcesOptions): Promise<CustomResources> {
    const resources = new CustomResources(options);
    const at = await resources.#relist();
    void resources.#follow(at);
    return resources;
  }

  current(): readonly Kind[] {
    return this.#current;
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async #follow(start: Store['revision']): Promise<void> {
    const { store, clock, log, signal } = this.#options;
    let at = start;
    for (let attempt = 0; !signal.aborted;) {
      try {
        if (attempt > 0) {
          await sleep(clock, backoffMs(RETRY, attempt), signal);
          at = await this.#relist();
        }
        for await (const change of store.watch(PREFIX, at, signal)) {
          attempt = 0;
          if (change.type === 'put') await this.#observe(change.entry);
          else await this.#withdraw(objectOf(change.entry).metadata.name ?? '');
        }
      } catch (error) {
        if (!signal.aborted) log.warn('reading CustomResourceDefinitions anew', { error });
      }
      attempt += 1;
    }
  }

  async #relist(): Promise<Store['revision']> {
    const { entries, at } = await this.#options.store.list(PREFIX);
    const names = new Set(entries.map((entry) => objectOf(entry).metadata.name ?? ''));
    for (const name of this.#served.keys()) if (!names.has(name)) await this.#withdraw(name);
    for (const entry of entries) await this.#observe(entry);
    return at;
  }

  async #observe(entry: Entry): Promise<void> {
    const definition = objectOf<CustomResourceDefinition>(entry);
    const { status: before } = definition;
    const now = timestamp(this.#options.clock.now());
    const status = isGoing(definition)
      ? before
      : desiredStatus(definition, { taken: this.#takenFor(definition), now });
    if (isTrue(status?.conditions, 'Established'))
      this.#serve({ ...definition, ...(status && { status }) });
    if (isGoing(definition)) this.#clean(entry);
    else if (!isDeepStrictEqual(status, before)) {
      await this.#write(entry, { ...definition, ...(status && { status }) });
    }
  }

  #serve(definition: CustomResourceDefinition): void {
    const name = definition.metadata.name ?? '';
    const before = this.#served.get(name);
    const isSame = before !== undefined && servesSame(before.definition, definition);
    if (isSame && isGoing(before.definition) === isGoing(definition)) return;
    // That a definition goes is no end yet: watches tell of the end of its objects.
    const withdraw = isSame ? before.withdraw : new AbortController();
    const { acceptedNames } = definition.status ?? {};
    // A name that another has is asked for, but not served.
    const names = { ...definition.spec.names, ...acceptedNames };
    const accepted = { ...definition, spec: { ...definition.spec, names } };
    const kinds = kindsOf(accepted, withdraw.signal);
    this.#served.set(name, { definition, kinds, withdraw });
    this.#changed();
    if (!isSame) before?.withdraw.abort();
  }

  async #withdraw(name: string): Promise<void> {
    const before = this.#served.get(name);
    if (!before) return;
    this.#served.delete(name);
    this.#changed();
    // Watches are a few microtasks behind: what was deleted last is told before they end.
    setImmediate(() => before.withdraw.abort());
    // A name may be free now for which another definition waits.
    const { entries } = await this.#options.store.list(PREFIX);
    for (const entry of entries) {
      if (!isTrue(objectOf<CustomResourceDefinition>(entry).status?.conditions, 'NamesAccepted')) {
        await this.#observe(entry);
      }
    }
  }

  #changed(): void {
    const custom = [...this.#served.values()].flatMap(({ kinds }) => kinds);
    this.#current = [...this.#options.builtIn, ...custom];
    for (const listener of this.#listeners) listener();
  }

  #takenFor({ metadata, spec }: CustomResourceDefinition): TakenNames {
    const resources = new Set<string>();
    const kinds = new Set<string>();
    for (const kind of this.#options.builtIn.filter(({ group }) => group === spec.group)) {
      for (const name of [kind.plural, kind.singular, ...kind.shortNames]) resources.add(name);
      kinds.add(kind.kind).add(`${kind.kind}List`);
    }
    for (const { definition } of this.#served.values()) {
      if (definition.metadata.name === metadata.name || definition.spec.group !== spec.group)
        continue;
      const { acceptedNames: names } = definition.status ?? {};
      if (!names) continue;
      for (const name of [names.plural, names.singular ?? '', ...(names.shortNames ?? [])]) {
        resources.add(name);
      }
      kinds.add(names.kind).add(names.listKind ?? '');
    }
    return { resources, kinds };
  }

  /** Somebody else's write in between brings another event, which is looked at then. */
  async #write(entry: Entry, definition: CustomResourceDefinition): Promise<void> {
    try {
      await this.#options.store.update(entry.key, storedText(definition), entry.modified);
    } catch (error) {
      if (!(error instanceof StaleRevision)) throw error;
    }
  }

  #clean(entry: Entry): void {
    const { log, signal } = this.#options;
    const { uid = '' } = objectOf(entry).metadata;
    if (this.#cleaning.has(uid)) return;
    this.#cleaning.add(uid);
    removeInstances(entry, this.#options)
      .catch((error: unknown) => {
        if (!signal.aborted) log.error('cannot delete the objects of a definition', { error });
      })
      .finally(() => this.#cleaning.delete(uid));
  }
}

function servesSame(before: CustomResourceDefinition, after: CustomResourceDefinition): boolean {
  return (
    isDeepStrictEqual(before.spec, after.spec) &&
    isDeepStrictEqual(before.status?.acceptedNames, after.status?.acceptedNames)
  );
}

function isGoing({ metadata }: CustomResourceDefinition): boolean {
  return metadata.deletionTimestamp !== undefined;
}
