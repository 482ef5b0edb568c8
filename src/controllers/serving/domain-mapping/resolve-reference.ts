import { Service as CoreService } from '#api/core-v1/service.ts';
import { apiVersionOf, resourceOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import type { DomainMapping } from '#api/serving-v1beta1/domain-mapping.ts';
import type { Client } from '#client/client.ts';

/** What a mapping may lead to: kinds that say where they are, and Kubernetes' own Services. */
export const TARGETS: readonly Kind[] = [Service, Route, CoreService];

/** Inside the cluster: `hello.default.svc.cluster.local`. */
export type Resolution =
  | { readonly service: string; readonly host: string }
  /** What the condition says, and where it is not the same, what the reconcile fails with. */
  | { readonly complaint: string; readonly error?: string };

interface Addressed extends KubeObject {
  readonly status?: { readonly address?: { readonly url?: string } };
}

type Reference = NonNullable<DomainMapping['spec']['ref']>;

/** Whether an object is what the mapping leads to. */
export function isTarget({ metadata, spec }: DomainMapping, object: KubeObject): boolean {
  const { kind, name } = spec.ref ?? {};
  const { namespace } = object.metadata;
  return kind === object.kind && name === object.metadata.name && namespace === metadata.namespace;
}

/** Where a mapping leads, or in upstream's words why nowhere (serving specification §3.10). */
export async function resolveReference(
  client: Client,
  { metadata, spec }: DomainMapping,
  clusterDomain: string,
): Promise<Resolution> {
  const ref = spec.ref ?? {};
  const { namespace = '' } = metadata;
  const { name = '' } = ref;
  const kind = TARGETS.find((each) => each.kind === ref.kind && isOf(ref, each));
  if (!kind) {
    const what = `${ref.kind ?? ''} of ${ref.apiVersion ?? ref.group ?? ''}`;
    return unresolved(`failed to get object ${namespace}/${name}: ${what} cannot be mapped here`);
  }
  const object: Addressed | undefined = await client.get(kind, { namespace, name });
  if (!object) {
    const why = `${resourceOf(kind)} "${name}" not found`;
    return unresolved(`failed to get object ${namespace}/${name}: ${why}`);
  }
  const url =
    kind === CoreService
      ? `http://${name}.${namespace}.svc.${clusterDomain}`
      : object.status?.address?.url;
  if (url === undefined) {
    const complaint = `address not set for Kind = ${kind.kind}, Namespace = ${namespace}, Name = ${name}, APIVersion = ${apiVersionOf(kind)}, Group = , Address = `;
    return unresolved(complaint);
  }
  return placed(url, { namespace, clusterDomain });
}

function unresolved(complaint: string): Resolution {
  return { complaint, error: `resolving reference: ${complaint}` };
}

function isOf({ apiVersion, group }: Reference, kind: Kind): boolean {
  return apiVersion === undefined ? group === kind.group : apiVersion === apiVersionOf(kind);
}

/** The gateway is sent to by names of the cluster alone, and a namespace maps what is its own. */
function placed(
  text: string,
  { namespace, clusterDomain }: { readonly namespace: string; readonly clusterDomain: string },
): Resolution {
  const url = URL.parse(text);
  const resolved = `resolved URI ${JSON.stringify(text)}`;
  if (!url) return { complaint: `${resolved} is no URL` };
  if (url.pathname !== '/') return { complaint: `${resolved} contains a path` };
  const [service = '', of, ...rest] = url.hostname.split('.');
  if (rest.join('.') !== `svc.${clusterDomain}`) {
    return { complaint: `${resolved} must be of the form {name}.{namespace}.svc.${clusterDomain}` };
  }
  if (of !== namespace) {
    return { complaint: `${resolved} must be in same namespace as DomainMapping` };
  }
  return { service, host: url.hostname };
}
