import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { Informer, type InformerOptions } from '#client/informer.ts';

/** Says when something changes that a prepared sandbox was made from: `namespace`, `ConfigMap/name`. */
export class ConfigWatch implements AsyncDisposable {
  readonly #informers: readonly AsyncDisposable[];

  constructor(options: InformerOptions, onChange: (namespace: string, dependency: string) => void) {
    const watch = <T extends KubeObject>(kind: Kind<T>): Informer<T> => {
      const informer = new Informer(kind, options);
      informer.onChange(({ previous, current }) => {
        const object = current ?? previous;
        // The first list tells of nothing that changed.
        if (!object || !informer.isSynced || isSame(previous, current)) return;
        onChange(object.metadata.namespace ?? '', `${kind.kind}/${object.metadata.name}`);
      });
      return informer;
    };
    this.#informers = [watch(ConfigMap), watch(Secret), watch(ServiceAccount)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer[Symbol.asyncDispose]()));
  }
}

function isSame(previous: KubeObject | undefined, current: KubeObject | undefined): boolean {
  return previous?.metadata.resourceVersion === current?.metadata.resourceVersion;
}
