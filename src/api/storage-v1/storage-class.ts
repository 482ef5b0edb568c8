import { isDeepStrictEqual } from 'node:util';
import type { StorageClass as Generated } from '#api/generated/storage-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { forbiddenField, immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';
import { nameErrors, qualifiedName } from '#api/meta/name-errors.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

export type StorageClass = Generated;
export const StorageClass = defineCoreKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  scope: 'Cluster',
  definition: 'io.k8s.api.storage.v1.StorageClass',
  shortNames: ['sc'],
  default(storageClass) {
    storageClass.reclaimPolicy ??= 'Delete';
    storageClass.volumeBindingMode ??= 'Immediate';
  },
  validate(storageClass, { previous }) {
    const { provisioner, reclaimPolicy, volumeBindingMode } = storageClass;
    const modes = ['Immediate', 'WaitForFirstConsumer'];
    return [
      ...(provisioner
        ? nameErrors(qualifiedName, 'provisioner', provisioner.toLowerCase())
        : [required('provisioner')]),
      ...parameterErrors(storageClass),
      ...unsupportedErrors('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain']),
      ...unsupportedErrors('volumeBindingMode', volumeBindingMode, modes),
      ...topologyErrors(storageClass),
      ...(previous ? changeErrors(storageClass, previous) : []),
    ];
  },
});

const DEFAULT_ANNOTATIONS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

/** The class of claims that name none: of several the newest. */
export function defaultStorageClass(classes: readonly StorageClass[]): StorageClass | undefined {
  return classes
    .filter(({ metadata }) =>
      DEFAULT_ANNOTATIONS.some((name) => metadata.annotations?.[name] === 'true'),
    )
    .toSorted(
      (a, b) =>
        compare(b.metadata.creationTimestamp, a.metadata.creationTimestamp) ||
        compare(a.metadata.name, b.metadata.name),
    )[0];
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : Number(a > b);
}

function parameterErrors({ parameters }: StorageClass): FieldError[] {
  return Object.keys(parameters ?? {})
    .filter((name) => name === '')
    .map((name) => wrongValue('parameters', name, 'field can not be empty.'));
}

function topologyErrors({ allowedTopologies = [] }: StorageClass): FieldError[] {
  return allowedTopologies.flatMap(({ matchLabelExpressions = [] }, term) =>
    matchLabelExpressions.flatMap(({ key, values }, index) => {
      const at = `allowedTopologies[${term}].matchLabelExpressions[${index}]`;
      return [
        ...(!Array.isArray(values) || values.length === 0 ? [required(`${at}.values`)] : []),
        ...nameErrors(qualifiedName, `${at}.key`, key),
      ];
    }),
  );
}

function changeErrors(storageClass: StorageClass, previous: StorageClass): FieldError[] {
  const fixed = [
    ['parameters', isDeepStrictEqual(storageClass.parameters, previous.parameters)],
    ['provisioner', storageClass.provisioner === previous.provisioner],
    ['reclaimPolicy', storageClass.reclaimPolicy === previous.reclaimPolicy],
  ] as const;
  const { volumeBindingMode } = storageClass;
  return [
    ...fixed.flatMap(([field, isSame]) =>
      isSame ? [] : [forbiddenField(field, `updates to ${field} are forbidden.`)],
    ),
    ...immutableErrors('volumeBindingMode', volumeBindingMode, previous.volumeBindingMode),
  ];
}
