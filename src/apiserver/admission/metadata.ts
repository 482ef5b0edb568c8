import { resourceOf, type FieldError, type Kind } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import {
  annotationKeyErrors,
  dns1035Label,
  dnsLabel,
  labelErrors,
  nameErrors,
  pathSegment,
  qualifiedName,
  subdomain,
  type NameCheck,
} from '#api/meta/name-errors.ts';
import type { KubeObject, ObjectMeta, OwnerReference } from '#api/meta/object-meta.ts';
import { elementPath } from '#apiserver/admission/field-path.ts';
import { FOREGROUND, ORPHAN } from '#apiserver/deletion.ts';

/** The sum of keys and values of one object's annotations, as Kubernetes limits it. */
const ANNOTATION_BYTES_MAX = 256 * 1024;

/** Kinds whose names Kubernetes restricts more than to a DNS subdomain; the others are one. */
const checks: Readonly<Record<string, NameCheck>> = {
  namespaces: dnsLabel,
  services: dns1035Label,
  'statefulsets.apps': dnsLabel,
};
/** Those that need no domain before them. */
const STANDARD_FINALIZERS = ['kubernetes', FOREGROUND, ORPHAN];

/** Complaints about `metadata` in the words Kubernetes uses. */
export function metadataErrors(kind: Kind, object: KubeObject): FieldError[] {
  const { metadata } = object;
  return [
    ...ownNameErrors(kind, metadata),
    ...labelErrors(metadata.labels, 'metadata.labels'),
    ...annotationErrors(metadata.annotations, 'metadata.annotations'),
    ...ownerErrors(metadata.ownerReferences ?? []),
    ...finalizerErrors(kind, metadata.finalizers ?? []),
  ];
}

function ownNameErrors(kind: Kind, { name, generateName }: ObjectMeta): FieldError[] {
  const check = checkOf(kind);
  // A name may end where what is made up begins.
  const base = generateName?.replace(/-$/, 'a');
  const inBase = base ? check(base) : [];
  return [
    ...inBase.map((why) => wrongValue('metadata.generateName', generateName, why)),
    ...(name
      ? nameErrors(check, 'metadata.name', name)
      : [required('metadata.name', 'name or generateName is required')]),
  ];
}

function checkOf(kind: Kind): NameCheck {
  if (kind.group === 'rbac.authorization.k8s.io') return pathSegment;
  return checks[resourceOf(kind)] ?? subdomain;
}

/** What is wrong with annotations, by Kubernetes' rules. */
export function annotationErrors(
  annotations: ObjectMeta['annotations'],
  path: string,
): FieldError[] {
  const entries = Object.entries(annotations ?? {});
  const errors = annotationKeyErrors(annotations, path);
  const bytes = entries.reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
  if (bytes > ANNOTATION_BYTES_MAX) {
    const message = `Too long: may not be more than ${ANNOTATION_BYTES_MAX} bytes`;
    errors.push({ path, message, reason: 'FieldValueTooLong' });
  }
  return errors;
}

function ownerErrors(owners: readonly OwnerReference[]): FieldError[] {
  const path = 'metadata.ownerReferences';
  const errors = owners.flatMap((owner) => [
    ...(owner.apiVersion
      ? []
      : [wrongValue(`${path}.apiVersion`, '', 'version must not be empty')]),
    ...(['kind', 'name', 'uid'] as const)
      .filter((field) => !owner[field])
      .map((field) => wrongValue(`${path}.${field}`, '', 'must not be empty')),
    ...(owner.apiVersion === 'v1' && owner.kind === 'Event'
      ? [wrongValue(path, owner, '/v1, Kind=Event is disallowed from being an owner')]
      : []),
  ]);
  const [first, second] = owners.filter(({ controller }) => controller);
  if (!first || !second) return errors;
  const why = `Only one reference can have Controller set to true. Found "true" in references for ${first.kind}/${first.name} and ${second.kind}/${second.name}`;
  return [...errors, wrongValue(path, owners, why)];
}

function finalizerErrors(kind: Kind, finalizers: readonly string[]): FieldError[] {
  const path = 'metadata.finalizers';
  const errors = finalizers.flatMap((finalizer) => nameErrors(qualifiedName, path, finalizer));
  // Of custom resources Kubernetes takes any name.
  if (kind.schema.$ref === undefined) return errors;
  const unknown = finalizers.flatMap((finalizer, index) =>
    finalizer.includes('/') || STANDARD_FINALIZERS.includes(finalizer)
      ? []
      : [
          wrongValue(
            elementPath(path, index),
            finalizer,
            'name is neither a standard finalizer name nor is it fully qualified',
          ),
        ],
  );
  return [...errors, ...unknown];
}
