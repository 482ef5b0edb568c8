import { claimSpecErrors } from '#api/core-v1/claim-errors.ts';
import { backstepErrors, filePathErrors } from '#api/core-v1/path-errors.ts';
import { fieldRefErrors, FILE_FIELDS, resourceRefErrors } from '#api/core-v1/reference-errors.ts';
import type {
  DownwardAPIVolumeFile,
  HostPathVolumeSource,
  KeyToPath,
  NFSVolumeSource,
  ProjectedVolumeSource,
  Volume,
} from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { dnsLabel, nameErrors } from '#api/meta/name-errors.ts';
import { parseQuantity } from '#api/meta/quantity.ts';
import { duplicateValue, unsupportedErrors } from '#api/meta/value-errors.ts';

const TOKEN_SECONDS_MIN = 600;
const TOKEN_SECONDS_MAX = 2 ** 32;
const MODE_TEXT = 'must be a number between 0 and 0777 (octal), both inclusive';
const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

export function volumesErrors(volumes: readonly Volume[], at: string): FieldError[] {
  const names = volumes.map(({ name }) => name);
  return volumes.flatMap((volume, index) => {
    const path = `${at}[${index}]`;
    const { name } = volume;
    const inName = name ? nameErrors(dnsLabel, `${path}.name`, name) : [required(`${path}.name`)];
    if (name && names.indexOf(name) < index) inName.push(duplicateValue(`${path}.name`, name));
    return [...sourceErrors(volume, path), ...inName];
  });
}

type Check<T> = (source: T, at: string) => FieldError[];
type Checks = { readonly [F in keyof Volume]?: Check<NonNullable<Volume[F]>> };

/** In the order in which Kubernetes looks at them; those it has besides are only counted. */
const checks: Checks = {
  emptyDir: ({ sizeLimit }, at) =>
    sizeLimit !== undefined && parseQuantity(sizeLimit).nano < 0n
      ? [forbiddenField(`${at}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')]
      : [],
  hostPath: hostPathErrors,
  secret: ({ secretName, defaultMode, items }, at) => [
    ...(secretName ? [] : [required(`${at}.secretName`)]),
    ...filesErrors({ defaultMode, items }, at),
  ],
  nfs: nfsErrors,
  persistentVolumeClaim: ({ claimName }, at) => (claimName ? [] : [required(`${at}.claimName`)]),
  downwardAPI: ({ defaultMode, items = [] }, at) => [
    ...modeErrors(defaultMode, `${at}.defaultMode`),
    ...items.flatMap((item) => fieldFileErrors(item, at)),
  ],
  configMap: ({ name, defaultMode, items }, at) => [
    ...(name ? [] : [required(`${at}.name`)]),
    ...filesErrors({ defaultMode, items }, at),
  ],
  projected: (source, at) => projectedErrors(source, at),
  csi: ({ driver }, at) => (driver ? [] : [required(`${at}.driver`)]),
  ephemeral: ({ volumeClaimTemplate: template }, at) =>
    template
      ? claimSpecErrors(template.spec, `${at}.volumeClaimTemplate.spec`)
      : [required(`${at}.volumeClaimTemplate`)],
};

function sourceErrors(volume: Volume, at: string): FieldError[] {
  const order = Object.keys(checks);
  const { name: _, ...rest } = volume;
  const sources: [string, unknown][] = Object.entries(rest);
  if (sources.length === 0) return [required(at, 'must specify a volume type')];
  const why = 'may not specify more than 1 volume type';
  return sources
    .toSorted(([one], [other]) => order.indexOf(one) - order.indexOf(other))
    .flatMap(([field, source], index) => {
      if (index > 0) return [forbiddenField(`${at}.${field}`, why)];
      // The field says which check its value is for.
      const check = (checks as Record<string, Check<unknown> | undefined>)[field];
      return check?.(source, `${at}.${field}`) ?? [];
    });
}

export function hostPathErrors({ path, type }: HostPathVolumeSource, at: string): FieldError[] {
  if (!path) return [required(`${at}.path`)];
  return [
    ...backstepErrors(`${at}.path`, path),
    ...unsupportedErrors(`${at}.type`, type, HOST_PATH_TYPES),
  ];
}

export function nfsErrors({ server, path }: NFSVolumeSource, at: string): FieldError[] {
  return [
    ...(server ? [] : [required(`${at}.server`)]),
    ...(path ? [] : [required(`${at}.path`)]),
    ...(path.startsWith('/') ? [] : [wrongValue(`${at}.path`, path, 'must be an absolute path')]),
  ];
}

function modeErrors(mode: number | undefined, path: string): FieldError[] {
  return mode === undefined || (mode >= 0 && mode <= 0o777)
    ? []
    : [wrongValue(path, mode, MODE_TEXT)];
}

function filesErrors(
  source: {
    readonly defaultMode?: number | undefined;
    readonly items?: readonly KeyToPath[] | undefined;
  },
  at: string,
): FieldError[] {
  return [
    ...modeErrors(source.defaultMode, `${at}.defaultMode`),
    ...(source.items ?? []).flatMap(({ key, path, mode }, index) => [
      ...(key ? [] : [required(`${at}.items[${index}].key`)]),
      ...(path
        ? filePathErrors(`${at}.items[${index}].path`, path)
        : [required(`${at}.items[${index}].path`)]),
      ...modeErrors(mode, `${at}.items[${index}].mode`),
    ]),
  ];
}

/** Kubernetes names what is wrong with one of several such files without its number. */
function fieldFileErrors(file: DownwardAPIVolumeFile, at: string): FieldError[] {
  const { path, mode, fieldRef, resourceFieldRef } = file;
  const errors = path ? filePathErrors(`${at}.path`, path) : [required(`${at}.path`)];
  if (fieldRef) {
    errors.push(...fieldRefErrors(fieldRef, `${at}.fieldRef`, FILE_FIELDS));
    if (resourceFieldRef) {
      const why = 'fieldRef and resourceFieldRef can not be specified simultaneously';
      errors.push(wrongValue(at, 'resource', why));
    }
  } else if (resourceFieldRef) {
    const { containerName } = resourceFieldRef;
    errors.push(
      ...(containerName
        ? resourceRefErrors(resourceFieldRef, `${at}.resourceFieldRef`)
        : [required(`${at}.resourceFieldRef.containerName`)]),
    );
  } else {
    errors.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
  }
  return [...errors, ...modeErrors(mode, `${at}.mode`)];
}

function projectedErrors(
  { defaultMode, sources = [] }: ProjectedVolumeSource,
  at: string,
): FieldError[] {
  const paths = new Set<string>();
  const errors = modeErrors(defaultMode, `${at}.defaultMode`);
  const place = (path: string, value: string): void => {
    if (paths.has(path)) errors.push(wrongValue(at, value, 'conflicting duplicate paths'));
    paths.add(path);
  };
  for (const [index, source] of sources.entries()) {
    const within = `${at}.sources[${index}]`;
    for (const field of ['secret', 'configMap'] as const) {
      const files = source[field];
      if (!files) continue;
      if (!files.name) errors.push(required(`${within}.${field}.name`));
      errors.push(...filesErrors(files, `${within}.${field}`));
      for (const { path } of files.items ?? []) if (path) place(path, files.name ?? '');
    }
    for (const file of source.downwardAPI?.items ?? []) {
      errors.push(...fieldFileErrors(file, `${within}.downwardAPI`));
      if (file.path) place(file.path, file.path);
    }
    const { serviceAccountToken: token } = source;
    if (!token) continue;
    errors.push(...lifetimeErrors(token.expirationSeconds, `${within}.serviceAccountToken`));
    errors.push(
      ...(token.path ? filePathErrors(`${at}.path`, token.path) : [required(`${at}.path`)]),
    );
    if (token.path) place(token.path, token.path);
  }
  return errors;
}

function lifetimeErrors(seconds: number | undefined, at: string): FieldError[] {
  if (seconds === undefined) return [];
  const path = `${at}.expirationSeconds`;
  if (seconds < TOKEN_SECONDS_MIN) {
    return [wrongValue(path, seconds, 'may not specify a duration less than 10 minutes')];
  }
  if (seconds <= TOKEN_SECONDS_MAX) return [];
  return [wrongValue(path, seconds, 'may not specify a duration larger than 2^32 seconds')];
}
