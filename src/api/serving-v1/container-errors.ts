import type { EnvFromSource, EnvVar, ResourceRequirements } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import {
  boundErrors,
  disallowedFields,
  invalidValue,
  missing,
  oneOfErrors,
} from '#api/meta/knative-error.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { imageErrors } from '#api/serving-v1/image-errors.ts';
import { servingProbeErrors, sidecarProbeErrors } from '#api/serving-v1/probe-errors.ts';
import {
  isServing,
  type RevisionContainer,
  type RevisionSpec,
} from '#api/serving-v1/revision-template.ts';
import { containerSecurityErrors } from '#api/serving-v1/security-errors.ts';
import { mountErrors } from '#api/serving-v1/volume-errors.ts';

/** Of the container that requests go to. Others may listen elsewhere, and so may say PORT. */
const RESERVED_ENV = ['PORT', 'K_SERVICE', 'K_CONFIGURATION', 'K_REVISION'];
const RESERVED_PORTS = [8008, 8012, 8013, 8022, 9090, 9091];
const PORT_NAMES = ['', 'h2c', 'http1'];

interface Within {
  readonly spec: RevisionSpec;
  readonly settings: ServingSettings;
}

/** What is wrong with one of the containers that run together. */
export function containerErrors(
  container: RevisionContainer,
  at: string,
  within: Within,
): FieldError[] {
  const isProbed = within.settings.features.multiContainerProbing === 'Enabled';
  return [
    ...(isServing(container, within.spec)
      ? servingProbeErrors(container, at)
      : sidecarProbeErrors(container, at, isProbed ? 'probed' : 'not probed')),
    ...anyContainerErrors(container, at, {
      ...within,
      role: isServing(container, within.spec) ? 'serving' : 'sidecar',
    }),
  ];
}

/** What is wrong with one that runs before the others. */
export function initContainerErrors(
  container: RevisionContainer,
  at: string,
  within: Within,
): FieldError[] {
  const probes = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
  return [
    ...probes
      .filter((probe) => container[probe] !== undefined)
      .map((probe) => ({
        path: `${at}.${probe}`,
        message: 'field not allowed in an init container',
      })),
    ...anyContainerErrors(container, at, { ...within, role: 'init' }),
  ];
}

function anyContainerErrors(
  container: RevisionContainer,
  at: string,
  { spec, settings, role }: Within & { readonly role: 'serving' | 'sidecar' | 'init' },
): FieldError[] {
  if (Object.keys(container).length === 0) return [missing(at)];
  const reserved = role === 'serving' ? RESERVED_ENV : RESERVED_ENV.slice(1);
  const { ports = [] } = container;
  const policy = container.terminationMessagePolicy ?? '';
  return [
    ...nameErrors(container.name, `${at}.name`),
    ...(container.env ?? []).flatMap((variable, index) =>
      variableErrors(variable, `${at}.env[${index}]`, { reserved, settings }),
    ),
    ...(container.envFrom ?? []).flatMap((source) => sourceErrors(source, `${at}.envFrom`)),
    ...imageErrors(container.image, `${at}.image`),
    ...(role === 'init'
      ? ports.flatMap((port) => portErrors(port, `${at}.ports`))
      : ports.slice(0, 1).flatMap((port) => userPortErrors(port, `${at}.ports`))),
    ...resourceErrors(container.resources, `${at}.resources`),
    ...containerSecurityErrors(container.securityContext, `${at}.securityContext`, settings),
    ...(['', 'File', 'FallbackToLogsOnError'].includes(policy)
      ? []
      : [invalidValue(policy, `${at}.terminationMessagePolicy`)]),
    ...mountErrors(container.volumeMounts ?? [], `${at}.volumeMounts`, { spec, settings }),
  ];
}

function nameErrors(name: string | undefined, path: string): FieldError[] {
  if (name !== 'queue-proxy') return [];
  return [{ path, message: '"queue-proxy" is a reserved container name' }];
}

function variableErrors(
  { name = '', valueFrom }: Partial<EnvVar>,
  at: string,
  {
    reserved,
    settings,
  }: { readonly reserved: readonly string[]; readonly settings: ServingSettings },
): FieldError[] {
  const isOpen = settings.features.fieldRef !== 'Disabled';
  const sources = isOpen ? ['fieldRef', 'resourceFieldRef'] : [];
  return [
    ...(name === '' ? [missing(`${at}.name`)] : []),
    ...(reserved.includes(name)
      ? [{ path: `${at}.name`, message: `"${name}" is a reserved environment variable` }]
      : []),
    ...disallowedFields(
      valueFrom,
      ['secretKeyRef', 'configMapKeyRef', ...sources],
      `${at}.valueFrom`,
    ),
  ];
}

function sourceErrors({ configMapRef, secretRef }: EnvFromSource, at: string): FieldError[] {
  const found = [...(configMapRef ? ['configMapRef'] : []), ...(secretRef ? ['secretRef'] : [])];
  return oneOfErrors(found, { all: ['configMapRef', 'secretRef'], at });
}

type Port = NonNullable<RevisionContainer['ports']>[number];

/** Of the one that requests come to; where more are said, that is wrong by itself. */
function userPortErrors(port: Port, at: string): FieldError[] {
  const { name = '', protocol = '' } = port;
  const errors = portErrors(port, at);
  if (!['', 'TCP'].includes(protocol)) errors.push(invalidValue(protocol, `${at}.protocol`));
  if (!PORT_NAMES.includes(name)) {
    const details = "Name must be empty, or one of: 'h2c', 'http1'";
    errors.push({ path: at, message: `Port name ${name} is not allowed`, details });
  }
  return errors;
}

function portErrors(port: Port, at: string): FieldError[] {
  const { containerPort = 0 } = port;
  const errors = disallowedFields(port, ['containerPort', 'name', 'protocol'], at);
  errors.push(...boundErrors(containerPort, { low: 0, high: 65_535 }, `${at}.containerPort`));
  if (RESERVED_PORTS.includes(containerPort)) {
    const what = `${containerPort} is a reserved port`;
    const details = `${what}, please use a different value`;
    errors.push(invalidValue(what, `${at}.containerPort`, details));
  }
  return errors;
}

function resourceErrors(resources: ResourceRequirements | undefined, at: string): FieldError[] {
  return disallowedFields(resources, ['limits', 'requests'], at);
}
