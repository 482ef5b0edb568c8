import { ConfigMap } from '#api/core-v1/config-map.ts';
import { ConfigError } from '#api/serving-config/config-key.ts';
import {
  CONFIG_NAMESPACE,
  defaultSettings,
  withConfigMap,
  type ServingSettings,
} from '#api/serving-config/config-maps.ts';
import { Informer, type InformerOptions } from '#client/informer.ts';
import type { ObjectChange } from '#client/object-cache.ts';

/** What Serving's ConfigMaps say, as far as this process has heard: of a wrong one what it said before. */
export class LiveSettings {
  #settings: ServingSettings = defaultSettings;
  readonly #listeners = new Set<() => void>();

  readonly current = (): ServingSettings => this.#settings;

  /** Calls `listener` after each change, until `signal` is aborted. */
  onChange(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true });
  }

  /** Throws ConfigError, and stays as it is, where the ConfigMap is wrong. */
  take({ current, previous }: ObjectChange<ConfigMap>): void {
    const name = (current ?? previous)?.metadata.name ?? '';
    const before = this.#settings;
    this.#settings = withConfigMap(before, name, current?.data);
    if (this.#settings === before) return;
    for (const listener of this.#listeners) listener();
  }
}

/** Reads the ConfigMaps from now on, as they change. Resolves when it has read those that are there. */
export async function followSettings(
  live: LiveSettings,
  options: Omit<InformerOptions, 'selection'>,
): Promise<AsyncDisposable> {
  const selection = { namespace: CONFIG_NAMESPACE };
  await using resources = new AsyncDisposableStack();
  const informer = resources.use(new Informer(ConfigMap, { ...options, selection }));
  await informer.synced();
  informer.onChange((change) => {
    try {
      live.take(change);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const name = change.current?.metadata.name;
      options.log.error('a ConfigMap is wrong, what it said before goes on', { name, error });
    }
  });
  return resources.move();
}
