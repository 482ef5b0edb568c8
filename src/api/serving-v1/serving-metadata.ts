import { isDeepStrictEqual } from 'node:util';
import type { AdmissionContext, FieldError } from '#api/kind.ts';
import { isScaleAnnotation } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { dns1035Error } from '#api/meta/dns-label.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';

interface Authored {
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
}

/** Records who made and who last changed an object. What a controller owns is not authored by anybody. */
export function defaultAuthors<T extends Authored>(object: T, context: AdmissionContext<T>): void {
  if ((object.metadata.ownerReferences ?? []).length > 0) return;
  const { previous, username } = context;
  if (previous && isDeepStrictEqual(previous.spec, object.spec)) return;
  object.metadata.annotations = {
    ...object.metadata.annotations,
    ...(!previous && { [servingKeys.creator]: username }),
    [servingKeys.lastModifier]: username,
  };
}

/** What is wrong with the metadata of a Service, Configuration or Route. */
export function metadataErrors<T extends Authored>(
  object: T,
  context: AdmissionContext<T>,
): FieldError[] {
  return [
    ...nameErrors(object.metadata),
    ...scaleAnnotationErrors(object.metadata),
    ...authorErrors(object, context),
  ];
}

function nameErrors({ name, generateName }: ObjectMeta): FieldError[] {
  if (!name && !generateName) {
    return [{ path: 'metadata.name', message: 'name or generateName is required' }];
  }
  const error = name ? dns1035Error(name) : undefined;
  return error ? [{ path: 'metadata.name', message: `not a DNS 1035 label: [${error}]` }] : [];
}

function scaleAnnotationErrors({
  annotations = {},
  ownerReferences = [],
}: ObjectMeta): FieldError[] {
  if (ownerReferences.length > 0) return [];
  return Object.keys(annotations)
    .filter(isScaleAnnotation)
    .map((key) => ({
      path: 'metadata.annotations',
      message: `invalid key name "${key}"`,
      details:
        'autoscaling annotations must be put under "spec.template.metadata.annotations" to work',
    }));
}

function authorErrors<T extends Authored>(
  object: T,
  { previous }: AdmissionContext<T>,
): FieldError[] {
  if (!previous || (object.metadata.ownerReferences ?? []).length > 0) return [];
  const now = object.metadata.annotations ?? {};
  const before = previous.metadata.annotations ?? {};
  const at = 'metadata.annotations';
  const { creator, lastModifier } = servingKeys;
  const errors: FieldError[] = [];
  if (now[creator] !== before[creator]) {
    errors.push({ path: `${at}.${creator}`, message: 'annotation value is immutable' });
  }
  if (now[lastModifier] !== before[lastModifier] && isDeepStrictEqual(previous.spec, object.spec)) {
    const message = `invalid value: ${now[lastModifier] ?? ''}`;
    errors.push({ path: `${at}.${lastModifier}`, message });
  }
  return errors;
}
