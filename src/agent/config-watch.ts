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
import type { Informers } from '#client/informers.ts';

const KINDS: readonly Kind[] = [
  ConfigMap,
  Secret,
  ServiceAccount,
  ResourceQuota,
  LimitRange,
  PriorityClass,
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
];

type ConfigHandler = (namespace: string, dependency: string) => void;

/**
 * Says when something changes that pods are made or admitted by: `namespace` (empty where it is of all), `ConfigMap/name`.
 */
export class ConfigWatch implements Disposable {
  static readonly kinds: readonly Kind[] = KINDS;
  readonly #subscriptions: readonly Disposable[];
  readonly #handlers = new Set<ConfigHandler>();

  /** Of informers that are synced: what they know already is no change. */
  constructor(informers: Informers) {
    this.#subscriptions = KINDS.map((kind) =>
      informers.of<KubeObject>(kind).onChange(({ previous, current }) => {
        const object = current ?? previous;
        if (!object || isSame(previous, current)) return;
        const { namespace = '', name } = object.metadata;
        for (const handler of this.#handlers) handler(namespace, `${kind.kind}/${name}`);
      }),
    );
  }

  onChange(handler: ConfigHandler): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }
}

function isSame(previous: KubeObject | undefined, current: KubeObject | undefined): boolean {
  return previous?.metadata.resourceVersion === current?.metadata.resourceVersion;
}
