import type { Container, PodSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { dnsLabelError } from '#api/meta/dns-label.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';

const PORT_TEXT = 'must be between 1 and 65535, inclusive';

/** What is wrong with a pod's spec, or a template's; `at` is its path. */
export function podSpecErrors(spec: PodSpec | undefined, at: string): FieldError[] {
  if (!spec?.containers?.length) return [required(`${at}.containers`)];
  const volumes = spec.volumes ?? [];
  const context = { volumes: new Set(volumes.map(({ name }) => name)) };
  return [
    ...uniqueNames(volumes, `${at}.volumes`),
    ...uniqueNames([...(spec.initContainers ?? []), ...spec.containers], `${at}.containers`),
    ...(spec.initContainers ?? []).flatMap((container, index) =>
      containerErrors(container, `${at}.initContainers[${index}]`, context),
    ),
    ...spec.containers.flatMap((container, index) =>
      containerErrors(container, `${at}.containers[${index}]`, context),
    ),
    ...oneOf(spec.restartPolicy, ['Always', 'OnFailure', 'Never'], `${at}.restartPolicy`),
    ...oneOf(
      spec.dnsPolicy,
      ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
      `${at}.dnsPolicy`,
    ),
    ...notNegative(spec.terminationGracePeriodSeconds, `${at}.terminationGracePeriodSeconds`),
  ];
}

interface Context {
  readonly volumes: ReadonlySet<string>;
}

function containerErrors(container: Container, at: string, context: Context): FieldError[] {
  return [
    ...(container.name ? labelErrors(container.name, `${at}.name`) : [required(`${at}.name`)]),
    ...(container.image?.trim() ? [] : [required(`${at}.image`)]),
    ...portErrors(container, at),
    ...(container.env ?? []).flatMap((variable, index) => {
      const path = `${at}.env[${index}].name`;
      if (!variable.name) return [required(path)];
      // Kubernetes relaxed this to anything a process can be given: printable, and no equals sign.
      const isName = /^[\x20-\x3c\x3e-\x7e]+$/.test(variable.name);
      return isName
        ? []
        : [
            wrongValue(
              path,
              variable.name,
              'a valid environment variable name must consist only of printable ASCII characters other than "="',
            ),
          ];
    }),
    ...(container.volumeMounts ?? []).flatMap((mount, index) => {
      const path = `${at}.volumeMounts[${index}]`;
      if (!mount.mountPath) return [required(`${path}.mountPath`)];
      if (context.volumes.has(mount.name)) return [];
      return [{ path: `${path}.name`, message: `Not found: ${JSON.stringify(mount.name)}` }];
    }),
  ];
}

function portErrors(container: Container, at: string): FieldError[] {
  const names = new Set<string>();
  return (container.ports ?? []).flatMap((port, index) => {
    const path = `${at}.ports[${index}]`;
    const errors: FieldError[] = [];
    if (port.name !== undefined && names.has(port.name)) {
      errors.push(duplicate(`${path}.name`, port.name));
    }
    if (port.name !== undefined) names.add(port.name);
    if (!port.containerPort) errors.push(required(`${path}.containerPort`));
    else if (!isPort(port.containerPort))
      errors.push(wrongValue(`${path}.containerPort`, port.containerPort, PORT_TEXT));
    if (port.hostPort && !isPort(port.hostPort))
      errors.push(wrongValue(`${path}.hostPort`, port.hostPort, PORT_TEXT));
    return errors;
  });
}

export function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function uniqueNames(items: readonly { readonly name: string }[], at: string): FieldError[] {
  const seen = new Set<string>();
  return items.flatMap(({ name }, index) => {
    const isDuplicate = seen.has(name);
    seen.add(name);
    return isDuplicate ? [duplicate(`${at}[${index}].name`, name)] : [];
  });
}

function duplicate(path: string, value: string): FieldError {
  const message = `Duplicate value: ${JSON.stringify(value)}`;
  return { path, message, reason: 'FieldValueDuplicate' };
}

function labelErrors(value: string, path: string): FieldError[] {
  const why = dnsLabelError(value);
  return why === undefined ? [] : [wrongValue(path, value, why)];
}

function oneOf(
  value: string | undefined,
  supported: readonly string[],
  path: string,
): FieldError[] {
  if (value === undefined || supported.includes(value)) return [];
  const list = supported.map((each) => JSON.stringify(each)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`;
  return [{ path, message, reason: 'FieldValueNotSupported' }];
}

function notNegative(value: number | undefined, path: string): FieldError[] {
  if (value === undefined || value >= 0) return [];
  return [wrongValue(path, value, 'must be greater than or equal to 0')];
}
