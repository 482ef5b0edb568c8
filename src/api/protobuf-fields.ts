import { readFileSync } from 'node:fs';

/**
 * The fields of a message by their numbers: the name each has in JSON, and its type. A field without a name stands for
 * the message itself: what is embedded in it, or one of several kinds of value. Types: `string`, `bool`, `int`, `double`,
 * `bytes`, `json`, those that write themselves (`time`, `microTime`, `duration`, `quantity`, `intOrString`), or a message
 * by its full name; before it `[]` for a list, `{}` for a map with string keys, `*` where JSON shows also a zero.
 */
export type MessageFields = Readonly<Record<number, readonly [name: string, type: string]>>;

interface Generated {
  readonly generated: string;
  /** What the full names of a group version's messages begin with. */
  readonly groupVersions: Readonly<Record<string, string>>;
  readonly messages: Readonly<Record<string, MessageFields>>;
}

let parsed: Generated | undefined;

/** The message of a full name; undefined where Kubernetes has none of that name. */
export function messageFields(name: string): MessageFields | undefined {
  const { messages } = load();
  return Object.hasOwn(messages, name) ? messages[name] : undefined;
}

/** The full name of a kind's message: `io.k8s.api.apps.v1.Deployment`; undefined for what has none, as custom resources. */
export function messageNameOf(apiVersion: string, kind: string): string | undefined {
  const { groupVersions } = load();
  const prefix = Object.hasOwn(groupVersions, apiVersion) ? groupVersions[apiVersion] : undefined;
  // Options belong to every group version, and so name the one they are sent to.
  const names = [`${prefix}.${kind}`, `io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`];
  return names.find((name) => messageFields(name) !== undefined);
}

/** Parsed when the first such body comes. */
function load(): Generated {
  const url = new URL('./generated/protobuf-fields.json', import.meta.url);
  parsed ??= JSON.parse(readFileSync(url, 'utf8')) as Generated;
  return parsed;
}
