import type { FieldError, Kind } from '#api/kind.ts';
import type { KubeObject, ObjectMeta } from '#api/meta/object-meta.ts';
import { elementPath, quoted } from '#apiserver/admission/field-path.ts';

/** The sum of keys and values of one object's annotations, as Kubernetes limits it. */
const ANNOTATION_BYTES_MAX = 256 * 1024;

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const SERVICE_NAME = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const SERVICE_TEXT =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
const QUALIFIED_TEXT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const VALUE_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

interface NameRule {
  readonly pattern: RegExp;
  readonly text: string;
  readonly lengthMax: number;
}
const subdomainRule: NameRule = { pattern: SUBDOMAIN, text: SUBDOMAIN_TEXT, lengthMax: 253 };
const labelRule: NameRule = { pattern: LABEL, text: LABEL_TEXT, lengthMax: 63 };
/** Kinds whose names Kubernetes restricts more, or less, than to a DNS subdomain; the others are one. */
const nameRules: Readonly<Record<string, NameRule>> = {
  namespaces: labelRule,
  services: { pattern: SERVICE_NAME, text: SERVICE_TEXT, lengthMax: 63 },
};
const pathSegmentGroups = new Set(['rbac.authorization.k8s.io']);

/** Complaints about `metadata` in the words Kubernetes uses. */
export function metadataErrors(kind: Kind, object: KubeObject): FieldError[] {
  const { metadata } = object;
  return [
    ...nameErrors(kind, metadata),
    ...labelErrors(metadata.labels),
    ...annotationErrors(metadata.annotations),
    ...ownerErrors(metadata),
    ...(metadata.finalizers ?? []).flatMap((finalizer, index) =>
      qualifiedErrors(finalizer, elementPath('metadata.finalizers', index)),
    ),
  ];
}

function nameErrors(kind: Kind, metadata: ObjectMeta): FieldError[] {
  const path = 'metadata.name';
  const { name } = metadata;
  if (!name) {
    const message = 'Required value: name or generateName is required';
    return [{ path, message, reason: 'FieldValueRequired' }];
  }
  if (pathSegmentGroups.has(kind.group)) {
    const isSegment = name !== '.' && name !== '..' && !/[/%]/.test(name);
    return isSegment ? [] : [wrong(path, name, "may not be '.' or '..', nor contain '/' or '%'")];
  }
  const rule = (kind.group === '' ? nameRules[kind.plural] : undefined) ?? subdomainRule;
  const errors: FieldError[] = [];
  if (name.length > rule.lengthMax) {
    errors.push(wrong(path, name, `must be no more than ${rule.lengthMax} characters`));
  }
  if (!rule.pattern.test(name)) {
    const { source } = rule.pattern;
    errors.push(
      wrong(path, name, `${rule.text} (regex used for validation is '${source.slice(1, -1)}')`),
    );
  }
  return errors;
}

function labelErrors(labels: ObjectMeta['labels']): FieldError[] {
  const path = 'metadata.labels';
  return Object.entries(labels ?? {}).flatMap(([key, value]) => {
    const errors = qualifiedErrors(key, path);
    if (value.length > 63) errors.push(wrong(path, value, 'must be no more than 63 characters'));
    if (value !== '' && !QUALIFIED.test(value)) errors.push(wrong(path, value, VALUE_TEXT));
    return errors;
  });
}

function annotationErrors(annotations: ObjectMeta['annotations']): FieldError[] {
  const path = 'metadata.annotations';
  const entries = Object.entries(annotations ?? {});
  const errors = entries.flatMap(([key]) => qualifiedErrors(key.toLowerCase(), path));
  const bytes = entries.reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
  if (bytes > ANNOTATION_BYTES_MAX) {
    const message = `Too long: may not be more than ${ANNOTATION_BYTES_MAX} bytes`;
    errors.push({ path, message });
  }
  return errors;
}

function ownerErrors(metadata: ObjectMeta): FieldError[] {
  const path = 'metadata.ownerReferences';
  const owners = metadata.ownerReferences ?? [];
  const errors = owners.flatMap((owner, index) =>
    (['apiVersion', 'kind', 'name', 'uid'] as const)
      .filter((field) => !owner[field])
      .map((field): FieldError => {
        const at = `${elementPath(path, index)}.${field}`;
        return {
          path: at,
          message: 'Required value: must not be empty',
          reason: 'FieldValueRequired',
        };
      }),
  );
  if (owners.filter((owner) => owner.controller).length > 1) {
    const text = 'Only one reference can have Controller set to true';
    errors.push(wrong(path, owners.map((owner) => owner.name).join(', '), text));
  }
  return errors;
}

/** `app`, `example.com/app`: the form of label keys, annotation keys and finalizers. */
function qualifiedErrors(key: string, path: string): FieldError[] {
  const [name = '', prefix, more] = key.split('/').toReversed();
  const errors: FieldError[] = [];
  if (more !== undefined)
    errors.push(wrong(path, key, 'a qualified name must have at most one slash'));
  if (name.length > 63)
    errors.push(wrong(path, key, 'name part must be no more than 63 characters'));
  if (!QUALIFIED.test(name)) errors.push(wrong(path, key, QUALIFIED_TEXT));
  if (prefix !== undefined && !SUBDOMAIN.test(prefix)) {
    errors.push(wrong(path, key, `prefix part ${SUBDOMAIN_TEXT}`));
  }
  return errors;
}

function wrong(path: string, value: string, text: string): FieldError {
  return { path, message: `Invalid value: ${quoted(value)}: ${text}` };
}
