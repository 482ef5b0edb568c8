import { scaleAnnotationErrors } from '#api/autoscaling-v1alpha1/scale-annotation-errors.ts';
import { parseNumber } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import type { AdmissionContext, FieldError } from '#api/kind.ts';
import { disallowed, invalidValue, outOfBounds } from '#api/meta/knative-error.ts';
import { dns1035Label, dns1035Prefix } from '#api/meta/name-errors.ts';
import { isQuantity } from '#api/meta/quantity.ts';
import { networkingAnnotationErrors } from '#api/networking-v1alpha1/networking-annotation-errors.ts';
import { defaultSettings, type ServingSettings } from '#api/serving-config/config-maps.ts';
import { durationAnnotationErrors } from '#api/serving-v1/duration-annotation.ts';
import { revisionSpecErrors } from '#api/serving-v1/pod-spec-errors.ts';
import type { RevisionTemplate } from '#api/serving-v1/revision-template.ts';
import { insecureDefaults } from '#api/serving-v1/security-errors.ts';
import { findAlias, queueKeys, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { shortDiff } from '#api/serving-v1/short-diff.ts';

interface TemplateOwner {
  readonly metadata: { readonly name?: string; readonly generateName?: string };
  readonly spec?: { readonly template?: RevisionTemplate };
}
type Context = Pick<AdmissionContext<TemplateOwner>, 'previous' | 'serving'>;

const AT = 'spec.template';

/** What is wrong with the template of a Service or Configuration. */
export function templateErrors(owner: TemplateOwner, context: Context): FieldError[] {
  const template = owner.spec?.template ?? {};
  const annotations = template.metadata?.annotations ?? {};
  const settings = context.serving ?? defaultSettings;
  return [
    ...revisionNameErrors(owner, context.previous),
    ...changeErrors(template, context.previous?.spec?.template),
    ...annotationErrors(annotations, `${AT}.metadata.annotations`, settings),
    ...revisionSpecErrors(template.spec ?? {}, `${AT}.spec`, settings),
  ];
}

/** What is right and better said otherwise. */
export function templateWarnings(owner: TemplateOwner, context: Context): FieldError[] {
  const template = owner.spec?.template ?? {};
  const settings = context.serving ?? defaultSettings;
  return [
    ...insecureDefaults(template.spec ?? {}, `${AT}.spec`, settings),
    ...percentageWarnings(template.metadata?.annotations ?? {}),
  ];
}

/** Of annotations that mean something; a Revision itself is asked for its scale alone. */
function annotationErrors(
  annotations: Readonly<Record<string, string>>,
  at: string,
  { autoscaler }: ServingSettings,
): FieldError[] {
  return [
    ...scaleAnnotationErrors(annotations, at, autoscaler),
    ...durationAnnotationErrors(annotations, at, {
      names: [servingKeys.progressDeadline],
      word: 'progress-deadline',
    }),
    ...queueErrors(annotations, at),
    ...networkingAnnotationErrors(annotations, at),
  ];
}

/** The rules for a revision name that the user brings. */
function revisionNameErrors(owner: TemplateOwner, previous?: TemplateOwner): FieldError[] {
  const template = owner.spec?.template;
  const { name, generateName }: GivenName = template?.metadata ?? {};
  const path = `${AT}.metadata.name`;
  const inPrefix = generateName ? dns1035Prefix(generateName) : [];
  if (inPrefix.length > 0) {
    const message = `not a DNS 1035 label prefix: [${inPrefix.join(' ')}]`;
    return [invalidValue(message, `${AT}.metadata.generateName`)];
  }
  if (!name) return [];
  const why = dns1035Label(name);
  if (why.length > 0) return [invalidValue(`not a DNS 1035 label: [${why.join(' ')}]`, path)];
  // Once there is a name, a generated one is as good as another.
  if (owner.metadata.generateName && !previous) return [disallowed(path)];
  const prefix = `${owner.metadata.name}-`;
  if (name.startsWith(prefix)) return [];
  return [invalidValue(`"${name}" must have prefix "${prefix}"`, path)];
}

/** The schema keeps what it does not know of a template's metadata. */
type GivenName = { readonly name?: string; readonly generateName?: string };

function changeErrors(template: RevisionTemplate, before?: RevisionTemplate): FieldError[] {
  const name = template.metadata?.name;
  if (!name || before?.metadata?.name !== name) return [];
  const details = shortDiff(before, template, '{*v1.RevisionTemplateSpec}');
  if (details === '') return [];
  const message = 'Saw the following changes without a name change (-old +new)';
  return [{ path: `${AT}.metadata.name`, message, details }];
}

function queueErrors(annotations: Readonly<Record<string, string>>, at: string): FieldError[] {
  const errors = queueKeys.quantities.flatMap((key) => {
    const value = annotations[key];
    if (value === undefined || isQuantity(value)) return [];
    return [invalidValue(value, `${at}.[${key}]`)];
  });
  const percentage = findAlias(annotations, queueKeys.resourcePercentage);
  if (!percentage) return errors;
  const { key, value } = percentage;
  const number = parseNumber(value);
  if (number === undefined) return [...errors, invalidValue(value, `${at}.[${key}]`)];
  if (number >= 0.1 && number <= 100) return errors;
  return [...errors, outOfBounds(number, { low: 0.1, high: 100 }, `${at}.[${key}]`)];
}

function percentageWarnings(annotations: Readonly<Record<string, string>>): FieldError[] {
  if (!findAlias(annotations, queueKeys.resourcePercentage)) return [];
  const message =
    'Queue proxy resource percentage annotation is deprecated. Please use the available annotations to explicitly set resource values per service';
  return [{ path: '', message }];
}
