import path from 'node:path/posix';
import type { Volume, VolumeMount, VolumeProjection } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { disallowedFields, invalidValue, missing, oneOfErrors } from '#api/meta/knative-error.ts';
import { dnsLabel } from '#api/meta/name-errors.ts';
import { isQuantity, parseQuantity } from '#api/meta/quantity.ts';
import type { Feature } from '#api/serving-config/config-features.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import type { RevisionSpec } from '#api/serving-v1/revision-template.ts';

const ALWAYS = ['secret', 'configMap', 'projected'] as const;
/** Sources that are there where their feature is on, and how upstream says that it is not. */
const GATED = {
  emptyDir: 'EmptyDir volume',
  hostPath: 'HostPath volume',
  csi: 'CSI volume',
  ephemeral: 'Ephemeral volume',
  image: 'Image volume',
} as const satisfies Partial<Record<Feature, string>>;
type Gated = keyof typeof GATED;
const gated = Object.keys(GATED) as readonly Gated[];
/** All that a feature can open. */
const SOURCES = [...gated, 'persistentVolumeClaim'] as const;
/** What a revision owns alone, or shares on purpose: these may be written to. */
const WRITABLE = ['emptyDir', 'persistentVolumeClaim', 'ephemeral'] as const;
const RESERVED_PATHS = ['/', '/dev', '/dev/log'];

/** Whether what is mounted of it may be written to. */
export function isWritable(volume: Volume | undefined): boolean {
  return WRITABLE.some((source) => volume?.[source] !== undefined);
}

/** What is wrong with the volumes of a revision (serving specification §2.5). */
export function volumeErrors(
  { volumes = [], containers = [], initContainers = [] }: RevisionSpec,
  at: string,
  settings: ServingSettings,
): FieldError[] {
  const mounts = [...containers, ...initContainers].flatMap(
    ({ volumeMounts = [] }) => volumeMounts,
  );
  const mounted = new Set(mounts.map(({ name }) => name));
  const seen = new Set<string>();
  return volumes.flatMap((volume, index) => {
    const here = `${at}[${index}]`;
    const { name = '' } = volume as Partial<Volume>;
    const errors = oneVolumeErrors(volume, here, settings);
    if (seen.has(name)) {
      errors.push({ path: `${here}.name`, message: `duplicate volume name "${name}"` });
    }
    if (!mounted.has(name)) {
      errors.push({ path: `${here}.name`, message: `volume with name "${name}" not mounted` });
    }
    seen.add(name);
    return errors;
  });
}

function oneVolumeErrors(volume: Volume, at: string, settings: ServingSettings): FieldError[] {
  const { features } = settings;
  const { name = '', persistentVolumeClaim: claim } = volume as Partial<Volume>;
  const errors: FieldError[] = [];
  const open = gated.filter((source) => features[source] === 'Enabled');
  for (const source of gated) {
    if (volume[source] === undefined || open.includes(source)) continue;
    const message = `${GATED[source]} support is disabled, but found ${GATED[source]} ${name}`;
    errors.push({ path: '', message });
  }
  const mayClaim = features.persistentVolumeClaim === 'Enabled';
  if (claim && !mayClaim) {
    const message = `Persistent volume claim support is disabled, but found persistent volume claim ${claim.claimName}`;
    errors.push({ path: '', message });
  }
  if (claim && !claim.readOnly && features.persistentVolumeWrite !== 'Enabled') {
    const message = `Persistent volume write support is disabled, but found persistent volume claim ${claim.claimName} that is not read-only`;
    errors.push({ path: '', message });
  }
  const usable = [...ALWAYS, ...open, ...(mayClaim ? ['persistentVolumeClaim'] : [])];
  const nameError =
    name === ''
      ? missing(`${at}.name`)
      : dnsLabel(name).length > 0 && invalidValue(name, `${at}.name`);
  return [
    // A wrong name is told instead of what its feature says of the volume.
    ...(nameError ? [nameError] : errors),
    ...disallowedFields(
      volume,
      ['name', ...SOURCES.filter((each) => features[each] !== 'Disabled'), ...ALWAYS],
      at,
    ),
    ...sourceErrors(volume, at, usable),
  ];
}

function sourceErrors(volume: Volume, at: string, allowed: readonly string[]): FieldError[] {
  const found = [...ALWAYS, ...SOURCES].filter((source) => volume[source] !== undefined);
  const { emptyDir, secret, configMap, projected, image } = volume;
  return [
    ...oneOfErrors(found, { all: allowed, at }),
    ...(image ? imageErrors(image, `${at}.image`) : []),
    ...(emptyDir ? emptyDirErrors(emptyDir, `${at}.emptyDir`) : []),
    ...itemErrors(secret?.items, at),
    ...itemErrors(configMap?.items, at),
    ...(projected?.sources ?? []).flatMap((source, index) =>
      projectionErrors(source, `${at}.projected[${index}]`),
    ),
  ];
}

function imageErrors(
  { reference, pullPolicy = '' }: NonNullable<Volume['image']>,
  at: string,
): FieldError[] {
  return [
    ...(reference ? [] : [missing(`${at}.reference`)]),
    ...(['', 'Always', 'IfNotPresent', 'Never'].includes(pullPolicy)
      ? []
      : [invalidValue(pullPolicy, `${at}.pullPolicy`)]),
  ];
}

function emptyDirErrors(
  { medium = '', sizeLimit }: NonNullable<Volume['emptyDir']>,
  at: string,
): FieldError[] {
  const errors = ['', 'Memory'].includes(medium) ? [] : [invalidValue(medium, `${at}.medium`)];
  if (sizeLimit !== undefined && isQuantity(sizeLimit) && parseQuantity(sizeLimit).nano < 0n) {
    errors.push(invalidValue(sizeLimit, `${at}.sizeLimit`));
  }
  return errors;
}

interface Item {
  readonly key?: string;
  readonly path?: string;
}

function itemErrors(items: readonly Item[] = [], at: string): FieldError[] {
  return items.flatMap(({ key, path: file }, index) => [
    ...(key ? [] : [missing(`${at}.items[${index}].key`)]),
    ...(file ? [] : [missing(`${at}.items[${index}].path`)]),
  ]);
}

const PROJECTIONS = ['configMap', 'downwardAPI', 'secret', 'serviceAccountToken'] as const;

function projectionErrors(source: VolumeProjection, at: string): FieldError[] {
  const found = PROJECTIONS.filter((name) => source[name] !== undefined);
  const { secret, configMap, serviceAccountToken, downwardAPI } = source;
  return [
    ...disallowedFields(source, PROJECTIONS, at),
    ...oneOfErrors(found, { all: PROJECTIONS, at }),
    ...(secret && !secret.name ? [missing(`${at}.secret.name`)] : []),
    ...itemErrors(secret?.items, `${at}.secret`),
    ...(configMap && !configMap.name ? [missing(`${at}.configMap.name`)] : []),
    ...itemErrors(configMap?.items, `${at}.configMap`),
    ...(serviceAccountToken && !serviceAccountToken.path
      ? [missing(`${at}.serviceAccountToken.path`)]
      : []),
    ...(downwardAPI?.items ?? []).flatMap((item, index) =>
      downwardErrors(item, `${at}.downwardAPI.items[${index}]`),
    ),
  ];
}

type DownwardItem = NonNullable<NonNullable<VolumeProjection['downwardAPI']>['items']>[number];

function downwardErrors(
  { path: file, fieldRef, resourceFieldRef }: DownwardItem,
  at: string,
): FieldError[] {
  const refs = [`${at}.fieldRef`, `${at}.resourceFieldRef`].join(', ');
  return [
    ...(file ? [] : [missing(`${at}.path`)]),
    ...(fieldRef && resourceFieldRef
      ? [{ path: refs, message: 'Within a single item, cannot set both' }]
      : []),
    ...(!fieldRef && !resourceFieldRef
      ? [{ path: refs, message: 'expected exactly one, got neither' }]
      : []),
  ];
}

const MOUNT_FIELDS = ['name', 'readOnly', 'mountPath', 'subPath'];

/** What is wrong with where a container mounts them. */
export function mountErrors(
  mounts: readonly VolumeMount[],
  at: string,
  { spec, settings }: { readonly spec: RevisionSpec; readonly settings: ServingSettings },
): FieldError[] {
  const seen = new Set<string>();
  return mounts.flatMap((mount, index) => {
    const here = `${at}[${index}]`;
    const volume = spec.volumes?.find(({ name }) => name === mount.name);
    const errors = [
      ...disallowedFields(
        mount,
        settings.features.mountPropagation === 'Disabled'
          ? MOUNT_FIELDS
          : [...MOUNT_FIELDS, 'mountPropagation'],
        here,
      ),
      ...propagationErrors(mount, `${here}.mountPropagation`, settings),
      ...pathErrors(mount.mountPath, `${here}.mountPath`, seen),
      ...readOnlyErrors(mount, `${here}.readOnly`, volume),
    ];
    if (!volume)
      errors.push({ path: `${here}.name`, message: 'volumeMount has no matching volume' });
    seen.add(cleanPath(mount.mountPath ?? ''));
    return errors;
  });
}

function propagationErrors(
  { name, mountPropagation: value }: VolumeMount,
  at: string,
  { features }: ServingSettings,
): FieldError[] {
  if (value === undefined) return [];
  const errors: FieldError[] = [];
  if (features.mountPropagation !== 'Enabled') {
    const message = `Volume Mount Propagation support is disabled, but found volume mount ${name} with mount propagation`;
    errors.push({ path: '', message });
  }
  if (!['None', 'HostToContainer'].includes(value)) {
    const message = 'mount propagation should be set to None or HostToContainer';
    errors.push({ path: at, message });
  }
  return errors;
}

function pathErrors(
  mountPath: string | undefined,
  at: string,
  seen: ReadonlySet<string>,
): FieldError[] {
  if (!mountPath) return [missing(at)];
  const clean = cleanPath(mountPath);
  if (RESERVED_PATHS.includes(clean)) {
    return [{ path: at, message: `mountPath "${clean}" is a reserved path` }];
  }
  if (!path.isAbsolute(mountPath)) return [invalidValue(mountPath, at)];
  return seen.has(clean) ? [invalidValue(`"${mountPath}" must be unique`, at)] : [];
}

/** As Go cleans paths: without a slash at the end. */
function cleanPath(mountPath: string): string {
  return path.normalize(mountPath).replace(/(?<=.)\/$/, '');
}

function readOnlyErrors(mount: VolumeMount, at: string, volume: Volume | undefined): FieldError[] {
  if (mount.readOnly) return [];
  if (!isWritable(volume)) {
    return [{ path: at, message: 'volume mount should be readOnly for this type of volume' }];
  }
  if (!volume?.persistentVolumeClaim?.readOnly) return [];
  return [{ path: at, message: 'volume is readOnly but volume mount is not' }];
}
