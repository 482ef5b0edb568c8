import { ApiError } from '#api/meta/api-error.ts';
import { resourceOf } from '#api/kind.ts';
import { notFound } from '#api/meta/api-error.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import type { KindTable } from '#apiserver/kind-table.ts';
import { keyOf, objectOf } from '#apiserver/stored-object.ts';
import type { Store } from '#store/store.ts';

/** New objects only go into a namespace that exists and stays. */
export function namespaceLifecycle(store: Store, kinds: KindTable): AdmissionStep {
  const namespaces = kinds.byPlural('', 'v1', 'namespaces');
  return {
    handles: (kind) => kind.scope === 'Namespaced',
    async admit(object, { kind, operation }) {
      const { namespace = '', name = '' } = object.metadata;
      if (!namespaces || operation !== 'CREATE') return undefined;
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
