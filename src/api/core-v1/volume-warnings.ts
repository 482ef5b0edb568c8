import type { Volume, VolumeProjection } from '#api/generated/core-v1.ts';

/** Types that Kubernetes has given up. */
const OLD_TYPES: Readonly<Record<string, string>> = {
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
};

/** Types that are no more, and files of one volume that hide each other. */
export function volumeWarnings(volumes: readonly Volume[], path: string): string[] {
  const old = volumes.flatMap((volume, index) =>
    Object.keys(volume)
      .filter((type) => Object.hasOwn(OLD_TYPES, type))
      // As Kubernetes' message writes it.
      .map((type) => [type === 'storageos' ? 'storageOS' : type, OLD_TYPES[type]])
      .map(([type, text]) => `${path}[${index}].${type}: ${text}`),
  );
  return [...old, ...volumes.flatMap(overlapWarnings)];
}

interface File {
  readonly path: string;
  /** Where it comes from, in a volume with several sources. */
  readonly source: string;
}

function overlapWarnings({ name, configMap, secret, downwardAPI, projected }: Volume): string[] {
  const of = (what: string, files: readonly File[]): string[] =>
    overlaps(files).map(
      (overlap) => `volume ${JSON.stringify(name)} (${what}): overlapping paths: ${overlap}`,
    );
  const sources = projected?.sources ?? [];
  return [
    ...of(`ConfigMap ${JSON.stringify(configMap?.name ?? '')}`, filesOf(configMap?.items)),
    ...of(`Secret ${JSON.stringify(secret?.secretName ?? '')}`, filesOf(secret?.items)),
    ...of('DownwardAPI', filesOf(downwardAPI?.items)),
    ...sources
      .filter((source) => Object.keys(source).length === 0)
      .map(() => `volume ${JSON.stringify(name)} (Projected) has no sources provided`),
    ...of('Projected', sources.flatMap(projectedFiles)),
  ];
}

function filesOf(items: readonly { readonly path: string }[] = [], source = ''): File[] {
  return items.map(({ path }) => ({ path: path.replace(/\/+$/, ''), source }));
}

function projectedFiles(source: VolumeProjection): File[] {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  return [
    ...filesOf(configMap?.items, `ConfigMap ${JSON.stringify(configMap?.name ?? '')}`),
    ...filesOf(secret?.items, `Secret ${JSON.stringify(secret?.name ?? '')}`),
    ...filesOf(downwardAPI?.items, 'DownwardAPI'),
    ...filesOf(serviceAccountToken && [serviceAccountToken], 'ServiceAccountToken'),
  ];
}

function overlaps(files: readonly File[]): string[] {
  return files.flatMap((file, index) =>
    files
      .slice(0, index)
      .filter(({ path }) => isWithin(path, file.path) || isWithin(file.path, path))
      .map((other) => `${textOf(file)} with ${textOf(other)}`),
  );
}

function isWithin(path: string, folder: string): boolean {
  return path !== '' && folder !== '' && `${path}/`.startsWith(`${folder}/`);
}

function textOf({ path, source }: File): string {
  return source === '' ? JSON.stringify(path) : `${JSON.stringify(path)} (${source})`;
}
