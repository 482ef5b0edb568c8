import type { AdmissionContext, FieldError } from '#api/kind.ts';
import { missing } from '#api/meta/knative-error.ts';
import { dns1035Label, dns1035Prefix } from '#api/meta/name-errors.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import { durationAnnotationErrors } from '#api/serving-v1/duration-annotation.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { isChanged } from '#api/serving-v1/short-diff.ts';

interface Authored {
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
}

/** Whoever owns a Configuration or a Route wrote it; other kinds have an author of their own whoever owns them. */
function isDerived({ kind, metadata }: Authored): boolean {
  const isOwned = (metadata.ownerReferences ?? []).length > 0;
  return isOwned && (kind === 'Configuration' || kind === 'Route');
}

/** Records who made and who last changed an object. What is derived is not authored by anybody. */
export function defaultAuthors<T extends Authored>(object: T, context: AdmissionContext<T>): void {
  if (isDerived(object)) return;
  const { previous, username } = context;
  if (previous && !isChanged(previous.spec, object.spec)) return;
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
    ...scaleAnnotationErrors(object),
    ...authorErrors(object, context),
  ];
}

export function nameErrors({ name, generateName }: ObjectMeta): FieldError[] {
  const inPrefix = generateName ? dns1035Prefix(generateName) : [];
  const inName = name ? dns1035Label(name) : [];
  const listed = (why: readonly string[]): string => `[${why.join(' ')}]`;
  if (inPrefix.length > 0) {
    const message = `not a DNS 1035 label prefix: ${listed(inPrefix)}`;
    return [{ path: 'metadata.generateName', message }];
  }
  if (inName.length > 0) {
    return [{ path: 'metadata.name', message: `not a DNS 1035 label: ${listed(inName)}` }];
  }
  if (name || generateName) return [];
  return [{ path: 'metadata.name', message: 'name or generateName is required' }];
}

/** How long traffic takes to move to a new revision. */
export function rolloutErrors({ annotations = {} }: ObjectMeta): FieldError[] {
  const { rolloutDuration, rolloutDurationAlias } = servingKeys;
  const names = [rolloutDuration, rolloutDurationAlias];
  return durationAnnotationErrors(annotations, 'metadata.annotations', {
    names,
    word: 'rollout-duration',
  });
}

/** A label that names an owner is only for what that owner has made. */
export function ownerLabelErrors(
  { labels = {}, ownerReferences = [] }: ObjectMeta,
  key: string,
  kind: string,
): FieldError[] {
  const name = labels[key];
  if (name === undefined) return [];
  const isOwned = ownerReferences.some((owner) => owner.kind === kind && owner.name === name);
  return isOwned ? [] : [missing(`metadata.labels.${key}`)];
}

const SCALE_DOMAIN = 'autoscaling.knative.dev';

function scaleAnnotationErrors(object: Authored): FieldError[] {
  return Object.keys(object.metadata.annotations ?? {})
    .filter((key) => key.startsWith(SCALE_DOMAIN))
    .map((key) => ({
      path: 'metadata.annotations',
      message: `invalid key name "${key}"`,
      details:
        'autoscaling annotations must be put under "spec.template.metadata.annotations" to work',
    }));
}

/** Who made an object stays, and who changed it last is nobody who changed nothing. */
export function authorErrors<T extends Authored>(
  object: T,
  { previous }: AdmissionContext<T>,
): FieldError[] {
  if (!previous || isDerived(object)) return [];
  const now = object.metadata.annotations ?? {};
  const before = previous.metadata.annotations ?? {};
  const at = 'metadata.annotations';
  const { creator, lastModifier } = servingKeys;
  const errors: FieldError[] = [];
  if (now[creator] !== before[creator]) {
    errors.push({ path: `${at}.${creator}`, message: 'annotation value is immutable' });
  }
  if (now[lastModifier] !== before[lastModifier] && !isChanged(previous.spec, object.spec)) {
    const message = `invalid value: ${now[lastModifier] ?? ''}`;
    errors.push({ path: `${at}.${lastModifier}`, message });
  }
  return errors;
}
