import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import {
  isDryRun,
  writeOptionsOf,
  type Deps,
  type ResourceRequest,
} from '#apiserver/resource-request.ts';

/** What a subresource is sent that is stored nowhere, and the kind it has there. */
export interface Sent {
  readonly kind: Pick<Kind, 'group' | 'version' | 'kind'>;
  readonly value: object;
}

/** Stands for the object that the request names, which need not exist. */
type StandIn = KubeObject & { sent: unknown };

/**
 * Asks others about a Binding, an Eviction, the options of an exec. Resolves with what they made of it, which may have any
 * shape. Throws ApiError where one refuses it.
 */
export async function consult(
  { kind, value }: Sent,
  request: ResourceRequest,
  { admission, warn }: Pick<Deps, 'admission' | 'warn'>,
): Promise<unknown> {
  const { name, namespace } = request;
  const object: StandIn = {
    apiVersion: apiVersionOf(request.kind),
    kind: request.kind.kind,
    metadata: { name, ...(namespace !== undefined && { namespace }) },
    sent: value,
  };
  const about = {
    kind: request.kind,
    operation: request.method === 'CONNECT' ? 'CONNECT' : 'CREATE',
    user: request.user,
    subresource: request.subresource,
    previous: undefined,
    isDryRun: isDryRun(request),
    options: writeOptionsOf(request),
    view: {
      kind,
      of: (standIn: KubeObject) => (standIn as StandIn).sent as KubeObject,
      write: (standIn: KubeObject, sent: unknown) => void Object.assign(standIn, { sent }),
    },
    warn,
  } as const;
  for (const step of admission) await step.consult?.(object, about);
  return object.sent;
}
