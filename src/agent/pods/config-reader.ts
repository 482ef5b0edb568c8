import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Secret } from '#api/core-v1/secret.ts';
import type { Client } from '#client/client.ts';
import { configProblem } from '#agent/pods/container-problem.ts';

interface Wanted {
  readonly name: string;
  readonly optional?: boolean | undefined;
}

/** Reads the ConfigMaps and Secrets a pod names, and remembers which: a prepared sandbox is void when one changes. */
export class ConfigReader {
  readonly #client: Client;
  readonly #namespace: string;
  readonly #read = new Map<string, Promise<Readonly<Record<string, Buffer>> | undefined>>();

  constructor(client: Client, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  /** `ConfigMap/name`, `Secret/name` of all that was asked for, found or not. */
  get names(): ReadonlySet<string> {
    return new Set(this.#read.keys());
  }

  configMap({ name, optional }: Wanted): Promise<Readonly<Record<string, Buffer>>> {
    return this.#required(`ConfigMap/${name}`, { name, optional }, async () => {
      const found = await this.#client.get(ConfigMap, { namespace: this.#namespace, name });
      if (!found) return undefined;
      return { ...decode(found.data, 'utf8'), ...decode(found.binaryData, 'base64') };
    });
  }

  secret({ name, optional }: Wanted): Promise<Readonly<Record<string, Buffer>>> {
    return this.#required(`Secret/${name}`, { name, optional }, async () => {
      const found = await this.#client.get(Secret, { namespace: this.#namespace, name });
      return found && { ...decode(found.data, 'base64'), ...decode(found.stringData, 'utf8') };
    });
  }

  async #required(
    key: string,
    { name, optional }: Wanted,
    read: () => Promise<Readonly<Record<string, Buffer>> | undefined>,
  ): Promise<Readonly<Record<string, Buffer>>> {
    const reading = this.#read.get(key) ?? read();
    this.#read.set(key, reading);
    const found = await reading;
    if (found) return found;
    if (optional) return {};
    throw configProblem(`${key.startsWith('Secret') ? 'secret' : 'configmap'} "${name}" not found`);
  }
}

function decode(
  data: Readonly<Record<string, string>> | undefined,
  encoding: 'utf8' | 'base64',
): Record<string, Buffer> {
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)]),
  );
}
