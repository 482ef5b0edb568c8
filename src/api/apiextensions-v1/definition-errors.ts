import { isDeepStrictEqual } from 'node:util';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
} from '#api/generated/apiextensions-v1.ts';
import { conversionErrors } from '#api/apiextensions-v1/conversion-errors.ts';
import { structuralErrors } from '#api/apiextensions-v1/structural-errors.ts';
import type { FieldError } from '#api/kind.ts';
import { immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';

const LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_TEXT =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const COLUMN_FORMATS = [
  'byte',
  'date',
  'date-time',
  'double',
  'float',
  'int32',
  'int64',
  'password',
];
const PATH = /^\.[^\s]+$/;
const NO_NAMES = { plural: '', kind: '' };
const APPROVAL = 'api-approved.kubernetes.io';

/** What Kubernetes refuses of a CustomResourceDefinition, in its words. */
export function definitionErrors(
  definition: CustomResourceDefinition,
  previous: CustomResourceDefinition | undefined,
): FieldError[] {
  const { spec, metadata } = definition;
  if (!spec?.group) return [required('spec.group')];
  const { group, names, scope, versions } = spec;
  const wanted = `${names?.plural ?? ''}.${group}`;
  return [
    ...(metadata.name === wanted
      ? []
      : [wrongValue('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group')]),
    ...approvalErrors(definition),
    ...groupErrors(group),
    ...(scope === 'Cluster' || scope === 'Namespaced'
      ? []
      : [notSupported('spec.scope', scope ?? '', ['Cluster', 'Namespaced'])]),
    ...(spec.preserveUnknownFields
      ? [
          wrongValue(
            'spec.preserveUnknownFields',
            true,
            'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
          ),
        ]
      : []),
    ...versionsErrors(versions ?? []),
    ...nameErrors(names ?? NO_NAMES),
    ...conversionErrors(definition.spec.conversion),
    ...(previous
      ? changeErrors(definition, { previous, versions: versions ?? [], names: names ?? NO_NAMES })
      : []),
  ];
}

/** Groups of Kubernetes' own community carry a note of who approved them. */
function approvalErrors({ spec, metadata }: CustomResourceDefinition): FieldError[] {
  const isProtected = /(^|\.)(k8s|kubernetes)\.io$/.test(spec.group);
  if (!isProtected || metadata.annotations?.[APPROVAL]) return [];
  return [
    required(
      `metadata.annotations[${APPROVAL}]`,
      `protected groups must have approval annotation "${APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111`,
    ),
  ];
}

function groupErrors(group: string): FieldError[] {
  if (!SUBDOMAIN.test(group)) {
    const why =
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    return [wrongValue('spec.group', group, why)];
  }
  return group.includes('.')
    ? []
    : [wrongValue('spec.group', group, 'should be a domain with at least one dot')];
}

function versionsErrors(versions: readonly CustomResourceDefinitionVersion[]): FieldError[] {
  const errors: FieldError[] = [];
  const storing = versions.filter(({ storage }) => storage);
  if (storing.length !== 1) {
    const why = 'must have exactly one version marked as storage version';
    errors.push(
      wrongValue(
        'spec.versions',
        versions.map(({ name }) => name),
        why,
      ),
    );
  }
  const names = versions.map(({ name }) => name);
  if (new Set(names).size < names.length) {
    errors.push(wrongValue('spec.versions', names, 'must contain unique version names'));
  }
  const [first] = versions;
  // Kubernetes keeps what all versions share in one place, which its messages name.
  const isShared = (part: (version: CustomResourceDefinitionVersion) => unknown): boolean =>
    versions.every((version) => isDeepStrictEqual(part(version), first && part(first)));
  const sharesSchema = isShared(({ schema }) => schema);
  const sharesRest = isShared(({ additionalPrinterColumns, subresources }) => [
    additionalPrinterColumns,
    subresources,
  ]);
  for (const [index, version] of versions.entries()) {
    const path = `spec.versions[${index}]`;
    if (!LABEL.test(version.name)) {
      errors.push(wrongValue(`${path}.name`, version.name, LABEL_TEXT));
    }
    const schema = version.schema?.openAPIV3Schema;
    const isRepeated = sharesSchema && index > 0;
    const at = sharesSchema ? 'spec.validation' : `${path}.schema`;
    if (!schema) errors.push(required(`${path}.schema.openAPIV3Schema`));
    else if (!isRepeated) errors.push(...structuralErrors(schema, `${at}.openAPIV3Schema`));
    errors.push(...deprecationErrors(version, path));
    if (!sharesRest || index === 0) {
      errors.push(...versionErrors(version, sharesRest ? 'spec' : path));
    }
  }
  return errors;
}

function deprecationErrors(version: CustomResourceDefinitionVersion, path: string): FieldError[] {
  if (version.deprecationWarning === undefined || version.deprecated) return [];
  const why = 'can only be set for deprecated versions';
  return [wrongValue(`${path}.deprecationWarning`, version.deprecationWarning, why)];
}

function versionErrors(version: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, column] of (version.additionalPrinterColumns ?? []).entries()) {
    const at = `${path}.additionalPrinterColumns[${index}]`;
    if (!column.name) errors.push(required(`${at}.name`));
    if (!column.type) {
      errors.push(required(`${at}.type`, `must be one of ${COLUMN_TYPES.join(',')}`));
    } else if (!COLUMN_TYPES.includes(column.type)) {
      const why = `must be one of ${COLUMN_TYPES.join(',')}`;
      errors.push(wrongValue(`${at}.type`, column.type, why));
    }
    if (column.format && !COLUMN_FORMATS.includes(column.format)) {
      const why = `must be one of ${COLUMN_FORMATS.join(',')}`;
      errors.push(wrongValue(`${at}.format`, column.format, why));
    }
    errors.push(...pathErrors(column.jsonPath, `${at}.JSONPath`));
  }
  return [...errors, ...scaleErrors(version, path)];
}

function scaleErrors(version: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const scale = version.subresources?.scale;
  if (!scale) return [];
  const at = `${path}.subresources.scale`;
  return [
    ...pathErrors(scale.specReplicasPath, `${at}.specReplicasPath`, {
      begins: /^\.spec\./,
      roots: '.spec',
    }),
    ...pathErrors(scale.statusReplicasPath, `${at}.statusReplicasPath`, {
      begins: /^\.status\./,
      roots: '.status',
    }),
    ...(scale.labelSelectorPath
      ? pathErrors(scale.labelSelectorPath, `${at}.labelSelectorPath`, {
          begins: /^\.(spec|status)\./,
          roots: 'either .spec or .status',
        })
      : []),
  ];
}

function pathErrors(
  value: string | undefined,
  path: string,
  { begins = /^\./, roots = '' }: { readonly begins?: RegExp; readonly roots?: string } = {},
): FieldError[] {
  if (!value) return [required(path)];
  if (!PATH.test(value) && !value.includes("['")) {
    return [wrongValue(path, value, 'must be a simple json path starting with .')];
  }
  if (begins.test(value)) return [];
  return [wrongValue(path, value, `should be a json path under ${roots}`)];
}

function nameErrors(names: CustomResourceDefinitionNames): FieldError[] {
  const errors: FieldError[] = [];
  const label = (path: string, value: string | undefined): void => {
    if (!value) errors.push(required(path));
    else if (!LABEL.test(value)) errors.push(wrongValue(path, value, LABEL_TEXT));
  };
  label('spec.names.plural', names.plural);
  label('spec.names.singular', names.singular);
  for (const [index, name] of (names.shortNames ?? []).entries()) {
    label(`spec.names.shortNames[${index}]`, name);
  }
  for (const [index, name] of (names.categories ?? []).entries()) {
    label(`spec.names.categories[${index}]`, name);
  }
  for (const field of ['kind', 'listKind'] as const) {
    const value = names[field];
    if (!value) errors.push(required(`spec.names.${field}`));
    else if (!LABEL.test(value.toLowerCase())) {
      const why = `may have mixed case, but should otherwise match: ${LABEL_TEXT}`;
      errors.push(wrongValue(`spec.names.${field}`, value, why));
    }
  }
  if (names.kind && names.kind === names.listKind) {
    const why = 'kind and listKind may not be the same';
    errors.push(wrongValue('spec.names.listKind', names.listKind, why));
  }
  return errors;
}

function changeErrors(
  { spec, status, metadata }: CustomResourceDefinition,
  {
    previous,
    versions,
    names,
  }: {
    readonly names: { readonly plural: string; readonly kind: string };
    readonly previous: CustomResourceDefinition;
    readonly versions: readonly CustomResourceDefinitionVersion[];
  },
): FieldError[] {
  const stored = status?.storedVersions ?? previous.status?.storedVersions ?? [];
  const known = new Set(versions.map(({ name }) => name));
  const lost = stored.findIndex((version) => !known.has(version));
  const errors =
    lost < 0
      ? []
      : [
          wrongValue(
            `status.storedVersions[${lost}]`,
            stored[lost],
            `missing from spec.versions; ${stored[lost]} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${stored[lost]} and removes ${stored[lost]} from status.storedVersions`,
          ),
        ];
  const isEstablished = previous.status?.conditions?.some(
    ({ type, status: state }) => type === 'Established' && state === 'True',
  );
  if (!isEstablished || metadata.deletionTimestamp !== undefined) return errors;
  return [
    ...errors,
    ...immutableErrors('spec.group', spec.group, previous.spec.group),
    ...immutableErrors('spec.scope', spec.scope, previous.spec.scope),
    ...immutableErrors('spec.names.kind', names.kind, previous.spec.names.kind),
    ...immutableErrors('spec.names.plural', names.plural, previous.spec.names.plural),
  ];
}

function notSupported(path: string, value: string, supported: readonly string[]): FieldError {
  const list = supported.map((each) => JSON.stringify(each)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`;
  return { path, message, reason: 'FieldValueNotSupported' };
}
