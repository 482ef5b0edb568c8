import { lifecycleErrors } from '#api/core-v1/probe-errors.ts';
import { descendingPathErrors } from '#api/core-v1/path-errors.ts';
import {
  fieldRefErrors,
  keyRefErrors,
  resourceRefErrors,
  VARIABLE_FIELDS,
} from '#api/core-v1/reference-errors.ts';
import { resourceErrors } from '#api/core-v1/resource-errors.ts';
import { containerSecurityErrors } from '#api/core-v1/security-errors.ts';
import type { Container, EnvVar, PodSpec, Volume, VolumeMount } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { portErrors } from '#api/meta/address-errors.ts';
import { dnsLabel, nameErrors, portName, subdomain, variableName } from '#api/meta/name-errors.ts';
import { duplicateValue, notFoundValue, unsupportedErrors } from '#api/meta/value-errors.ts';

const GRACE_SECONDS = 30;
const PROBES = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const;

export function containersErrors(spec: PodSpec, at: string): FieldError[] {
  const names = new Set<string>();
  const grace = spec.terminationGracePeriodSeconds ?? GRACE_SECONDS;
  const own = spec.containers.flatMap((container, index) => {
    const path = `${at}.containers[${index}]`;
    return [
      ...containerErrors(container, path, spec),
      ...nameTakenErrors(container, path, names),
      ...lifecycleErrors(container, path, grace),
    ];
  });
  const before = (spec.initContainers ?? []).flatMap((container, index) => {
    const path = `${at}.initContainers[${index}]`;
    const stays = container.restartPolicy === 'Always';
    return [
      ...containerErrors(container, path, spec),
      ...nameTakenErrors(container, path, names),
      ...hostPortErrors([container], `${at}.initContainers`),
      ...(stays ? lifecycleErrors(container, path, grace) : passingErrors(container, path)),
    ];
  });
  return [...own, ...hostPortErrors(spec.containers, `${at}.containers`), ...before];
}

/** What ends before the others begin is neither asked whether it lives nor told to stop. */
function passingErrors(container: Container, at: string): FieldError[] {
  const why = 'may not be set for init containers without restartPolicy=Always';
  return PROBES.filter((field) => container[field]).map((field) =>
    forbiddenField(`${at}.${field}`, why),
  );
}

function nameTakenErrors({ name }: Container, at: string, names: Set<string>): FieldError[] {
  if (!name) return [];
  if (names.has(name)) return [duplicateValue(`${at}.name`, name)];
  names.add(name);
  return [];
}

/** A port of the node is given once. */
function hostPortErrors(containers: readonly Container[], at: string): FieldError[] {
  const taken = new Set<string>();
  return containers.flatMap(({ ports = [] }, container) =>
    ports.flatMap(({ hostPort, hostIP = '', protocol }, index) => {
      if (!hostPort) return [];
      const port = `${protocol}/${hostIP}/${hostPort}`;
      const isTaken = taken.has(port);
      taken.add(port);
      return isTaken ? [duplicateValue(`${at}[${container}].ports[${index}].hostPort`, port)] : [];
    }),
  );
}

/** What is wrong with any container, whatever it is for. */
export function containerErrors(container: Container, at: string, spec: PodSpec): FieldError[] {
  const { name, image } = container;
  const isPadded = image !== undefined && image !== image.trim();
  return [
    ...(name ? nameErrors(dnsLabel, `${at}.name`, name) : [required(`${at}.name`)]),
    ...(image ? [] : [required(`${at}.image`)]),
    ...(isPadded
      ? [wrongValue(`${at}.image`, image, 'must not have leading or trailing whitespace')]
      : []),
    ...unsupportedErrors(`${at}.terminationMessagePolicy`, container.terminationMessagePolicy, [
      'File',
      'FallbackToLogsOnError',
    ]),
    ...containerPortErrors(container, at),
    ...(container.env ?? []).flatMap((variable, index) =>
      variableErrors(variable, `${at}.env[${index}]`),
    ),
    ...(container.envFrom ?? []).flatMap((source, index) =>
      sourceErrors(source, `${at}.envFrom`, index),
    ),
    ...mountsErrors(container, at, spec.volumes ?? []),
    ...deviceErrors(container, at, spec.volumes ?? []),
    ...unsupportedErrors(`${at}.imagePullPolicy`, container.imagePullPolicy, [
      'Always',
      'IfNotPresent',
      'Never',
    ]),
    ...resourceErrors(container.resources ?? {}, `${at}.resources`),
    ...(container.resizePolicy ?? []).flatMap(({ resourceName, restartPolicy }) => [
      ...unsupportedErrors(`${at}.resizePolicy`, resourceName, ['cpu', 'memory']),
      ...unsupportedErrors(`${at}.resizePolicy`, restartPolicy, [
        'NotRequired',
        'RestartContainer',
      ]),
    ]),
    ...containerSecurityErrors(container.securityContext, `${at}.securityContext`, spec),
  ];
}

function containerPortErrors(container: Container, at: string): FieldError[] {
  const names = new Set<string>();
  return (container.ports ?? []).flatMap((port, index) => {
    const path = `${at}.ports[${index}]`;
    const { name, containerPort, hostPort } = port;
    const inName = name ? nameErrors(portName, `${path}.name`, name) : [];
    if (name && inName.length === 0) {
      if (names.has(name)) inName.push(duplicateValue(`${path}.name`, name));
      names.add(name);
    }
    return [
      ...inName,
      ...(containerPort
        ? portErrors(`${path}.containerPort`, containerPort)
        : [required(`${path}.containerPort`)]),
      ...(hostPort ? portErrors(`${path}.hostPort`, hostPort) : []),
      ...unsupportedErrors(`${path}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
    ];
  });
}

function variableErrors({ name, value, valueFrom }: EnvVar, at: string): FieldError[] {
  const errors = name ? nameErrors(variableName, `${at}.name`, name) : [required(`${at}.name`)];
  if (!valueFrom) return errors;
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
  const path = `${at}.valueFrom`;
  if (fieldRef) errors.push(...fieldRefErrors(fieldRef, `${path}.fieldRef`, VARIABLE_FIELDS));
  if (resourceFieldRef) {
    errors.push(...resourceRefErrors(resourceFieldRef, `${path}.resourceFieldRef`));
  }
  if (configMapKeyRef) errors.push(...keyRefErrors(configMapKeyRef, `${path}.configMapKeyRef`));
  if (secretKeyRef) errors.push(...keyRefErrors(secretKeyRef, `${path}.secretKeyRef`));
  const sources = Object.keys(valueFrom).length;
  if (sources === 0) {
    const why =
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
    errors.push(wrongValue(path, '', why));
  } else if (value) {
    errors.push(wrongValue(path, '', 'may not be specified when `value` is not empty'));
  } else if (sources > 1) {
    errors.push(wrongValue(path, '', 'may not have more than one field specified at a time'));
  }
  return errors;
}

function sourceErrors(
  { prefix, configMapRef, secretRef }: NonNullable<Container['envFrom']>[number],
  at: string,
  index: number,
): FieldError[] {
  const named = (field: string, name: string | undefined): FieldError[] => {
    const path = `${at}[${index}].${field}.name`;
    return name ? nameErrors(subdomain, path, name) : [required(path)];
  };
  return [
    ...(prefix ? nameErrors(variableName, `${at}[${index}].prefix`, prefix) : []),
    ...(configMapRef ? named('configMapRef', configMapRef.name) : []),
    ...(secretRef ? named('secretRef', secretRef.name) : []),
    ...(configMapRef || secretRef
      ? []
      : [wrongValue(at, '', 'must specify one of: `configMapRef` or `secretRef`')]),
    ...(configMapRef && secretRef
      ? [wrongValue(at, '', 'may not have more than one field specified at a time')]
      : []),
  ];
}

function mountsErrors(
  { volumeMounts = [], volumeDevices = [], securityContext }: Container,
  at: string,
  volumes: readonly Volume[],
): FieldError[] {
  const paths = volumeMounts.map(({ mountPath }) => mountPath);
  return volumeMounts.flatMap((mount, index) => {
    const path = `${at}.volumeMounts[${index}]`;
    const { name, mountPath } = mount;
    const isDevice = volumeDevices.some((device) => device.name === name);
    return [
      ...(name ? [] : [required(`${path}.name`)]),
      ...(volumes.some((volume) => volume.name === name)
        ? []
        : [notFoundValue(`${path}.name`, name)]),
      ...(mountPath ? [] : [required(`${path}.mountPath`)]),
      ...(paths.indexOf(mountPath) < index
        ? [wrongValue(`${path}.mountPath`, mountPath, 'must be unique')]
        : []),
      ...(isDevice
        ? [wrongValue(`${path}.name`, name, 'must not already exist in volumeDevices')]
        : []),
      // Kubernetes names what is inside a mount without its number.
      ...mountErrors(mount, `${at}.volumeMounts`, index),
      ...(mount.mountPropagation === 'Bidirectional' && !securityContext?.privileged
        ? [
            forbiddenField(
              `${at}.volumeMounts.mountPropagation`,
              'Bidirectional mount propagation is available only to privileged containers',
            ),
          ]
        : []),
    ];
  });
}

function mountErrors(mount: VolumeMount, at: string, index: number): FieldError[] {
  const { subPath, subPathExpr, mountPropagation, recursiveReadOnly: recursive } = mount;
  const errors = subPath ? descendingPathErrors(`${at}.subPath`, subPath) : [];
  if (subPathExpr && subPath) {
    const why = 'subPathExpr and subPath are mutually exclusive';
    errors.push(wrongValue(`${at}[${index}].subPathExpr`, subPathExpr, why));
  }
  if (subPathExpr) errors.push(...descendingPathErrors(`${at}.subPathExpr`, subPathExpr));
  const ways = ['Bidirectional', 'HostToContainer', 'None'];
  errors.push(...unsupportedErrors(`${at}.mountPropagation`, mountPropagation, ways));
  const path = `${at}.recursiveReadOnly`;
  errors.push(...unsupportedErrors(path, recursive, ['Disabled', 'Enabled', 'IfPossible']));
  if (recursive === undefined || recursive === 'Disabled') return errors;
  if (!mount.readOnly) {
    errors.push(forbiddenField(path, 'may only be specified when readOnly is true'));
  }
  if (mountPropagation !== undefined && mountPropagation !== 'None') {
    const why = 'may only be specified when mountPropagation is None or not specified';
    errors.push(forbiddenField(path, why));
  }
  return errors;
}

function deviceErrors(
  { volumeDevices = [] }: Container,
  at: string,
  volumes: readonly Volume[],
): FieldError[] {
  return volumeDevices.flatMap(({ name, devicePath }, index) => {
    const path = `${at}.volumeDevices[${index}]`;
    const volume = volumes.find((each) => each.name === name);
    const isClaimed = volume?.persistentVolumeClaim ?? volume?.ephemeral;
    const why =
      'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
    return [
      ...(name ? [] : [required(`${path}.name`)]),
      ...(volume ? [] : [notFoundValue(`${path}.name`, name)]),
      ...(volume && !isClaimed ? [wrongValue(`${path}.name`, name, why)] : []),
      ...(devicePath ? [] : [required(`${path}.devicePath`)]),
    ];
  });
}
