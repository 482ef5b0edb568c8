import type { CustomResourceDefinition as Definition } from '#api/generated/apiextensions-v1.ts';
import { definitionErrors } from '#api/apiextensions-v1/definition-errors.ts';
import { defineCoreKind, type Kind } from '#api/kind.ts';

export type CustomResourceDefinition = Definition;

/** Keeps a definition until the server has deleted every object of it. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

export const CustomResourceDefinition: Kind<Definition> = defineCoreKind<Definition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  scope: 'Cluster',
  subresources: ['status'],
  definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
  deletionFinalizer: CLEANUP_FINALIZER,
  default({ spec }) {
    // What the schema demands may be missing still: validation comes after.
    const { names } = spec ?? {};
    if (names?.kind) {
      names.singular ||= names.kind.toLowerCase();
      names.listKind ||= `${names.kind}List`;
    }
    if (!spec) return;
    spec.conversion ??= { strategy: 'None' };
    const { service } = spec.conversion.webhook?.clientConfig ?? {};
    if (service) service.port ??= 443;
  },
  validate: (definition, { previous }) => definitionErrors(definition, previous),
});
