import type { Namespace as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

/** The label every namespace carries with its own name, so that selectors can name it. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

export type Namespace = Generated;
export const Namespace = defineCoreKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  scope: 'Cluster',
  definition: 'io.k8s.api.core.v1.Namespace',
  shortNames: ['ns'],
  subresources: ['status'],
  default(namespace, { operation }) {
    const { metadata } = namespace;
    if (metadata.name) metadata.labels = { ...metadata.labels, [NAME_LABEL]: metadata.name };
    if (operation !== 'CREATE') return;
    // Its contents are deleted before it is: the namespace controller takes this entry out at the end.
    namespace.spec = { ...namespace.spec, finalizers: ['kubernetes'] };
    namespace.status = { phase: 'Active' };
  },
});
