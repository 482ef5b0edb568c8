import { wrongValue, type FieldError } from '#api/meta/field-error.ts';

/** Says in Kubernetes' words what is wrong with a name; nothing where nothing is. */
export type NameCheck = (value: string) => readonly string[];

/** One complaint for each thing that is wrong with the name at `path`. */
export function nameErrors(check: NameCheck, path: string, value: string): FieldError[] {
  return check(value).map((why) => wrongValue(path, value, why));
}

interface Form {
  readonly text: string;
  /** What the whole value matches. */
  readonly pattern: string;
  readonly examples: readonly string[];
  readonly lengthMax?: number;
}

/** In Kubernetes' form, with its two blanks before each `or`. */
function patternText({ text, pattern, examples }: Form): string {
  const shown = examples.map((example) => `'${example}', `).join(' or ');
  return `${text} (e.g. ${shown}regex used for validation is '${pattern}')`;
}

function checkOf(form: Form): NameCheck {
  const whole = new RegExp(`^(?:${form.pattern})$`);
  const why = patternText(form);
  const { lengthMax = Infinity } = form;
  return (value) => [
    ...(value.length > lengthMax ? [`must be no more than ${lengthMax} characters`] : []),
    ...(whole.test(value) ? [] : [why]),
  ];
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/** `example.com`: what most objects may be called. */
export const subdomain = checkOf({
  text: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  pattern: `${LABEL}(\\.${LABEL})*`,
  examples: ['example.com'],
  lengthMax: 253,
});
const labelForm = checkOf({
  text: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  pattern: LABEL,
  examples: ['my-name', '123-abc'],
  lengthMax: 63,
});
/** `my-name`: what namespaces, containers and volumes may be called. */
export function dnsLabel(value: string): readonly string[] {
  const why = labelForm(value);
  const isDotted = why.length === 1 && value.includes('.') && subdomain(value).length === 0;
  return isDotted ? ['must not contain dots'] : why;
}
/** `my-name`, which begins with a letter: what Services may be called. */
export const dns1035Label = checkOf({
  text: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  pattern: '[a-z]([-a-z0-9]*[a-z0-9])?',
  examples: ['my-name', 'abc-123'],
  lengthMax: 63,
});
/** What the server makes such a name of: a dash at its end is what the name goes on after. */
export function dns1035Prefix(value: string): readonly string[] {
  return dns1035Label(value.replace(/(?<=.)-$/, 'a'));
}
/** `my_name`: what kinds may be called. */
export const cIdentifier = checkOf({
  text: "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
  pattern: '[A-Za-z_][A-Za-z0-9_]*',
  examples: ['my_name', 'MY_NAME', 'MyName'],
});
/** `*.example.com`: all names below one. */
export const wildcardDomain = checkOf({
  text: "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  pattern: `\\*\\.${LABEL}(\\.${LABEL})*`,
  examples: ['*.example.com'],
});
/** Search domains of resolvers, which begin with underscores at times. */
export const searchDomain = checkOf({
  text: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
  pattern: '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*',
  examples: ['example.com'],
});
export const labelValue = checkOf({
  text: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  pattern: '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?',
  examples: ['MyValue', 'my_value', '12345'],
  lengthMax: 63,
});
export const httpHeader = checkOf({
  text: "a valid HTTP header must consist of alphanumeric characters or '-'",
  pattern: '[-A-Za-z0-9]+',
  examples: ['X-Header-Name'],
});

const configKeyForm = checkOf({
  text: "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  pattern: '[-._a-zA-Z0-9]+',
  examples: ['key.name', 'KEY_NAME', 'key-name'],
  lengthMax: 253,
});

/** Keys of ConfigMaps and Secrets become names of files. */
export function configKey(value: string): readonly string[] {
  const why = configKeyForm(value);
  if (value === '.' || value === '..') return [...why, `must not be '${value}'`];
  return value.startsWith('..') ? [...why, "must not start with '..'"] : why;
}

/** Names of containers' environment variables: whatever a process can be given. */
export function variableName(value: string): readonly string[] {
  if (/^[\x20-\x3c\x3e-\x7e]+$/.test(value)) return [];
  return [
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
  ];
}

/** Names of ports, as RFC 6335 has them. */
export function portName(value: string): readonly string[] {
  return [
    ...(value.length > 15 ? ['must be no more than 15 characters'] : []),
    ...(/^[-a-z0-9]+$/.test(value)
      ? []
      : ['must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)']),
    ...(/[a-z]/.test(value) ? [] : ['must contain at least one letter (a-z)']),
    ...(value.includes('--') ? ['must not contain consecutive hyphens'] : []),
    ...(/^-|-$/.test(value) ? ['must not begin or end with a hyphen'] : []),
  ];
}

/** What may stand in a path: names of roles, and of their bindings. */
export function pathSegment(value: string): readonly string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%']
    .filter((mark) => value.includes(mark))
    .map((mark) => `may not contain '${mark}'`);
}

const partForm: Form = {
  text: "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  pattern: '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]',
  examples: ['MyName', 'my.name', '123-abc'],
};
const part = checkOf(partForm);
const PART_LENGTH_MAX = 63;

/** `app`, `example.com/app`: keys of labels and annotations, finalizers, resources. */
export function qualifiedName(value: string): readonly string[] {
  const [name = '', prefix, more] = value.split('/').toReversed();
  if (more !== undefined) {
    const form = patternText({ ...partForm, text: `a qualified name ${partForm.text}` });
    return [`${form} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const inPrefix =
    prefix === '' ? ['must be non-empty'] : prefix === undefined ? [] : subdomain(prefix);
  return [
    ...inPrefix.map((why) => `prefix part ${why}`),
    ...(name === '' ? ['name part must be non-empty'] : []),
    ...(name.length > PART_LENGTH_MAX ? ['name part must be no more than 63 characters'] : []),
    ...part(name).map((why) => `name part ${why}`),
  ];
}

/** Of one map: a body may have fifty thousand keys, and nobody is told of more than some hundreds. */
const COMPLAINTS_MAX = 1_000;

/** Labels, also those a selector of nodes or of pods names. */
export function labelErrors(
  labels: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  // Keys alone: of a map with many, the pairs would take as long as all the rest.
  for (const key of Object.keys(labels ?? {})) {
    const value = labels?.[key] ?? '';
    errors.push(...nameErrors(qualifiedName, path, key), ...nameErrors(labelValue, path, value));
    if (errors.length > COMPLAINTS_MAX) break;
  }
  return errors;
}

/** The keys of annotations, which may have capitals where labels may not. */
export function annotationKeyErrors(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of Object.keys(annotations ?? {})) {
    errors.push(...qualifiedName(key.toLowerCase()).map((why) => wrongValue(path, key, why)));
    if (errors.length > COMPLAINTS_MAX) break;
  }
  return errors;
}
