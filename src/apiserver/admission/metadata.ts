import type { FieldError, Kind } from '#api/kind.ts';
import { dns1035Error, dnsLabelError } from '#api/meta/dns-label.ts';
import type { KubeObject, ObjectMeta } from '#api/meta/object-meta.ts';
import { LABEL_VALUE, LABEL_VALUE_TEXT } from '#api/meta/selector.ts';
import { elementPath, quoted } from '#apiserver/admission/field-path.ts';
import { FOREGROUND, ORPHAN } from '#apiserver/deletion.ts';

/** The sum of keys and values of one object's annotations, as Kubernetes limits it. */
const ANNOTATION_BYTES_MAX = 256 * 1024;
/** Of one map: a body may have fifty thousand keys, and nobody is told of more than some hundreds. */
const COMPLAINTS_MAX = 1_000;

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED_TEXT =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const SUBDOMAIN_LENGTH_MAX = 253;
/** Kinds whose names Kubernetes restricts more than to a DNS subdomain; the others are one. */
const nameErrorOf: Readonly<Record<string, (name: string) => string | undefined>> = {
  namespaces: dnsLabelError,
  services: dns1035Error,
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
      finalizerErrors(kind, finalizer, elementPath('metadata.finalizers', index)),
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
  const error = (kind.group === '' ? nameErrorOf[kind.plural] : undefined) ?? subdomainError;
  const text = error(name);
  return text === undefined ? [] : [wrong(path, name, text)];
}

function subdomainError(name: string): string | undefined {
  if (name.length > SUBDOMAIN_LENGTH_MAX) {
    return `must be no more than ${SUBDOMAIN_LENGTH_MAX} characters`;
  }
  return SUBDOMAIN.test(name) ? undefined : SUBDOMAIN_TEXT;
}

/** Those of Kubernetes' own that need no domain in front. */
const PLAIN_FINALIZERS = new Set(['kubernetes', FOREGROUND, ORPHAN]);

function finalizerErrors(kind: Kind, finalizer: string, path: string): FieldError[] {
  const errors = qualifiedErrors(finalizer, path);
  // Only Kubernetes' own kinds are this strict: those of others had plain names before.
  const mayBePlain = !kind.schema.$ref || PLAIN_FINALIZERS.has(finalizer);
  if (errors.length > 0 || finalizer.includes('/') || mayBePlain) return errors;
  const text = 'name is neither a standard finalizer name nor is it fully qualified';
  return [wrong(path, finalizer, text)];
}

/** What is wrong with labels, by Kubernetes' rules. */
export function labelErrors(labels: ObjectMeta['labels']): FieldError[] {
  const path = 'metadata.labels';
  const errors: FieldError[] = [];
  for (const key of Object.keys(labels ?? {})) {
    const value = labels?.[key] ?? '';
    errors.push(...qualifiedErrors(key, path));
    if (value.length > 63) errors.push(wrong(path, value, 'must be no more than 63 characters'));
    if (value !== '' && !LABEL_VALUE.test(value)) errors.push(wrong(path, value, LABEL_VALUE_TEXT));
    if (errors.length > COMPLAINTS_MAX) break;
  }
  return errors;
}

/** What is wrong with annotations, by Kubernetes' rules. */
export function annotationErrors(annotations: ObjectMeta['annotations']): FieldError[] {
  const path = 'metadata.annotations';
  const entries = Object.entries(annotations ?? {});
  const errors: FieldError[] = [];
  for (const [key] of entries) {
    errors.push(...qualifiedErrors(key.toLowerCase(), path));
    if (errors.length > COMPLAINTS_MAX) break;
  }
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
  if (more !== undefined) {
    const text = `a qualified name ${QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
    return [wrong(path, key, text)];
  }
  const errors: FieldError[] = [];
  if (prefix === '') errors.push(wrong(path, key, 'prefix part must be non-empty'));
  else if (prefix !== undefined && !SUBDOMAIN.test(prefix)) {
    errors.push(wrong(path, key, `prefix part ${SUBDOMAIN_TEXT}`));
  }
  if (name === '') errors.push(wrong(path, key, 'name part must be non-empty'));
  if (name.length > 63)
    errors.push(wrong(path, key, 'name part must be no more than 63 characters'));
  if (!QUALIFIED.test(name)) errors.push(wrong(path, key, `name part ${QUALIFIED_TEXT}`));
  return errors;
}

function wrong(path: string, value: string, text: string): FieldError {
  return { path, message: `Invalid value: ${quoted(value)}: ${text}` };
}
