import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { MutatingWebhookConfiguration } from '#api/admissionregistration-v1/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { LimitRange } from '#api/core-v1/limit-range.ts';
import { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { PriorityClass } from '#api/scheduling-v1/priority-class.ts';
import { Informer, type InformerOptions } from '#client/informer.ts';

type ConfigHandler = (namespace: string, dependency: string) => void;

/**
 * Says when something changes that pods are made or admitted by: `namespace` (empty where it is of all), `ConfigMap/name`.
 */
export class ConfigWatch implements AsyncDisposable {
  readonly #informers: readonly (AsyncDisposable & Pick<Informer<KubeObject>, 'synced'>)[];
  readonly #handlers = new Set<ConfigHandler>();

  constructor(options: InformerOptions) {
    const watch = <T extends KubeObject>(kind: Kind<T>): Informer<T> => {
      const informer = new Informer(kind, options);
      informer.onChange(({ previous, current }) => {
        const object = current ?? previous;
        if (!object || isSame(previous, current)) return;
        const { namespace = '', name } = object.metadata;
        for (const handler of this.#handlers) handler(namespace, `${kind.kind}/${name}`);
      });
      return informer;
    };
    this.#informers = [
      watch(ConfigMap),
      watch(Secret),
      watch(ServiceAccount),
      watch(ResourceQuota),
      watch(LimitRange),
      watch(PriorityClass),
      watch(MutatingWebhookConfiguration),
      watch(ValidatingWebhookConfiguration),
    ];
  }

  /** From then on only what changes is told. */
  async synced(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.synced()));
  }

  onChange(handler: ConfigHandler): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer[Symbol.asyncDispose]()));
  }
}

function isSame(previous: KubeObject | undefined, current: KubeObject | undefined): boolean {
  return previous?.metadata.resourceVersion === current?.metadata.resourceVersion;
}
