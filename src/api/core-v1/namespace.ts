import type { Namespace as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { wrongValue } from '#api/meta/field-error.ts';

/** The label every namespace carries with its own name, so that selectors can name it. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Of the standards that pods in it are to keep; `privileged` asks for nothing. */
const STANDARD = /^pod-security\.kubernetes\.io\/(enforce|audit|warn)$/;

const FINALIZER = 'kubernetes';
/** `example.com/cleanup` */
const QUALIFIED = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const NOT_QUALIFIED = 'name is neither a standard finalizer name nor is it fully qualified';

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
    // Its contents are deleted before it is: the namespace controller takes its entry out at the end.
    const given = namespace.spec?.finalizers ?? [];
    const finalizers = given.includes(FINALIZER) ? given : [...given, FINALIZER];
    namespace.spec = { ...namespace.spec, finalizers };
    namespace.status = { phase: 'Active' };
  },
  warnings: ({ metadata }) =>
    Object.entries(metadata.labels ?? {})
      .filter(([label, standard]) => STANDARD.test(label) && standard !== 'privileged')
      .map(([label]) => `metadata.labels[${label}]: stored, but pods are not held to it yet`),
  validate: ({ spec }) =>
    (spec?.finalizers ?? []).flatMap((name, index) =>
      name === FINALIZER || QUALIFIED.test(name)
        ? []
        : [wrongValue(`spec.finalizers[${index}]`, name, NOT_QUALIFIED)],
    ),
});
