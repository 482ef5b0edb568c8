import type {
  AppArmorProfile,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { duplicateValue, rangeErrors, unsupportedErrors } from '#api/meta/value-errors.ts';
import { descendingPathErrors } from '#api/core-v1/path-errors.ts';

/** Of users and of groups. */
const IDS = { first: 0, last: 2 ** 31 - 1 };
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const SYSCTL_TEXT =
  'must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';

export function containerSecurityErrors(
  context: SecurityContext | undefined,
  at: string,
  { hostUsers }: Pick<PodSpec, 'hostUsers'>,
): FieldError[] {
  if (!context) return [];
  const { allowPrivilegeEscalation, privileged, capabilities, procMount } = context;
  const mayNotGain = allowPrivilegeEscalation === false;
  const isAdmin = capabilities?.add?.some((name) => name === 'CAP_SYS_ADMIN');
  const contradiction = (other: string): FieldError =>
    wrongValue(at, context, `cannot set \`allowPrivilegeEscalation\` to false and ${other}`);
  return [
    ...rangeErrors(`${at}.runAsUser`, context.runAsUser, IDS),
    ...rangeErrors(`${at}.runAsGroup`, context.runAsGroup, IDS),
    ...unsupportedErrors(`${at}.procMount`, procMount, ['Default', 'Unmasked']),
    ...(procMount === 'Unmasked' && hostUsers !== false
      ? [wrongValue(`${at}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`')]
      : []),
    ...seccompErrors(context.seccompProfile, `${at}.seccompProfile`),
    ...(mayNotGain && privileged ? [contradiction('`privileged` to true')] : []),
    ...(mayNotGain && isAdmin ? [contradiction('`capabilities.Add` CAP_SYS_ADMIN')] : []),
    ...appArmorErrors(context.appArmorProfile, `${at}.appArmorProfile`),
  ];
}

export function podSecurityErrors(spec: PodSpec, at: string): FieldError[] {
  const { securityContext: context = {}, shareProcessNamespace, hostPID } = spec;
  const path = `${at}.securityContext`;
  const both = 'ShareProcessNamespace and HostPID cannot both be enabled';
  return [
    ...rangeErrors(`${path}.fsGroup`, context.fsGroup, IDS),
    ...rangeErrors(`${path}.runAsUser`, context.runAsUser, IDS),
    ...rangeErrors(`${path}.runAsGroup`, context.runAsGroup, IDS),
    ...(context.supplementalGroups ?? []).flatMap((group, index) =>
      rangeErrors(`${path}.supplementalGroups[${index}]`, group, IDS),
    ),
    ...(shareProcessNamespace && hostPID
      ? [wrongValue(`${path}.shareProcessNamespace`, true, both)]
      : []),
    ...sysctlErrors(context.sysctls ?? [], `${path}.sysctls`),
    ...unsupportedErrors(`${path}.fsGroupChangePolicy`, context.fsGroupChangePolicy, [
      'Always',
      'OnRootMismatch',
    ]),
    ...seccompErrors(context.seccompProfile, `${path}.seccompProfile`),
    ...appArmorErrors(context.appArmorProfile, `${path}.appArmorProfile`),
  ];
}

function sysctlErrors(sysctls: readonly { readonly name: string }[], at: string): FieldError[] {
  const names = sysctls.map(({ name }) => name);
  return names.flatMap((name, index) => {
    const path = `${at}[${index}].name`;
    if (!name) return [required(path)];
    if (name.length > 253 || !SYSCTL.test(name)) return [wrongValue(path, name, SYSCTL_TEXT)];
    return names.indexOf(name) < index ? [duplicateValue(path, name)] : [];
  });
}

function seccompErrors(profile: SeccompProfile | undefined, at: string): FieldError[] {
  if (!profile) return [];
  const { type, localhostProfile } = profile;
  if (!type) return [required(`${at}.type`, 'type is required when seccompProfile is set')];
  const path = `${at}.localhostProfile`;
  if (type === 'Localhost') {
    if (localhostProfile) return descendingPathErrors(path, localhostProfile);
    return [required(path, 'must be set when seccomp type is Localhost')];
  }
  if (localhostProfile !== undefined) {
    return [wrongValue(path, profile, 'can only be set when seccomp type is Localhost')];
  }
  const types = ['Localhost', 'RuntimeDefault', 'Unconfined'];
  return unsupportedErrors(`${at}.type`, type, types);
}

function appArmorErrors(profile: AppArmorProfile | undefined, at: string): FieldError[] {
  if (!profile) return [];
  const { type, localhostProfile } = profile;
  if (!type) return [required(`${at}.type`, 'type is required when appArmorProfile is set')];
  const path = `${at}.localhostProfile`;
  if (type === 'Localhost') {
    if (localhostProfile?.trim()) return [];
    return [required(path, 'must be set when AppArmor type is Localhost')];
  }
  if (localhostProfile !== undefined) {
    const why = 'can only be set when AppArmor type is Localhost';
    return [wrongValue(path, localhostProfile, why)];
  }
  const types = ['Localhost', 'RuntimeDefault', 'Unconfined'];
  return unsupportedErrors(`${at}.type`, type, types);
}
