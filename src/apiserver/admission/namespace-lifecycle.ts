import { ApiError } from '#api/meta/api-error.ts';
import { resourceOf } from '#api/kind.ts';
import { notFound } from '#api/meta/api-error.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import type { KindTable } from '#apiserver/kind-table.ts';
import { keyOf, objectOf } from '#apiserver/stored-object.ts';
import type { Store } from '#store/store.ts';

/** Those that a cluster cannot be without, as Kubernetes has it. */
const IMMORTAL = ['default', 'kube-system', 'kube-public'];

/** New objects only go into a namespace that exists and stays; and some stay for ever. */
export function namespaceLifecycle(store: Store, kinds: KindTable): AdmissionStep {
  const namespaces = kinds.byPlural('', 'v1', 'namespaces');
  return {
    handles: (kind) => kind.scope === 'Namespaced' || kind === namespaces,
    check(_object, { kind, operation, previous }) {
      const { name = '' } = previous?.metadata ?? {};
      if (kind !== namespaces || operation !== 'DELETE' || !IMMORTAL.includes(name)) {
        return Promise.resolve();
      }
      throw new ApiError(
        'Forbidden',
        `namespaces "${name}" is forbidden: this namespace may not be deleted`,
        { name, group: kind.group, kind: kind.plural },
      );
    },
    async admit(object, { kind, operation }) {
      const { namespace = '', name = '' } = object.metadata;
      if (!namespaces || kind === namespaces || operation !== 'CREATE') return undefined;
      const entry = await store.get(keyOf(namespaces, undefined, namespace));
      if (!entry) throw notFound(namespaces, namespace);
      if (objectOf(entry).metadata.deletionTimestamp === undefined) return undefined;
      throw new ApiError(
        'Forbidden',
        `${resourceOf(kind)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
        {
          name,
          group: kind.group,
          kind: kind.plural,
          causes: [
            {
              reason: 'NamespaceTerminating',
              message: `namespace ${namespace} is being terminated`,
              path: 'metadata.namespace',
            },
          ],
        },
      );
    },
  };
}
