import { type Digest, digestOf, parseDigest } from './digest.ts';
import { type ImageConfig, ImageError } from './image.ts';
import { recordOf } from './json-value.ts';
import { shown } from './shown.ts';

/** Media types of the OCI image specification and of Docker's schema 2, which mean the same. */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

export const MANIFEST_MEDIA_TYPES = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/** The distribution specification asks registries for at least this much, and none serves more. */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
/** Docker's own limit; overlayfs and the mount call's one page of options allow little more. */
const LAYERS_MAX = 127;
const INDEX_ENTRIES_MAX = 1000;

export interface Platform {
  readonly os: string;
  /** In Go's words: `amd64`, `arm64`. */
  readonly architecture: string;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface ImageManifest {
  readonly kind: 'image';
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

/** The bytes as they were signed for, and what they say. */
export interface Manifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly content: ImageManifest | ImageIndex;
  /** The manifest that this one says something about: a signature, a bill of materials (image-spec, "subject"). */
  readonly subject?: Digest;
  /** What it is, where it is no image to run. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ImageConfigFile {
  readonly platform: Partial<Platform>;
  readonly config: ImageConfig;
  /** Digests of the uncompressed layers, lowest first. */
  readonly diffIds: readonly Digest[];
}

/** Throws ImageError `Invalid` when the bytes are no manifest or index. `declared` is the Content-Type, if known. */
export function parseManifest(bytes: Uint8Array, declared?: string): Manifest {
  const json = parseObject(bytes, 'manifest', MANIFEST_BYTES_MAX);
  const mediaType = textOf(json['mediaType']) ?? declared ?? guessMediaType(json);
  if (json['schemaVersion'] !== 2)
    throw invalid(`manifest: schemaVersion ${shown(json['schemaVersion'])}, wanted 2`);
  const content = contentOf(json, mediaType);
  return { mediaType, digest: digestOf(bytes), bytes, content, ...artifactOf(json, content) };
}

/** As the referrers API tells it: an artifact without a type of its own has its configuration's. */
function artifactOf(
  json: Readonly<Record<string, unknown>>,
  content: ImageManifest | ImageIndex,
): Pick<Manifest, 'subject' | 'artifactType' | 'annotations'> {
  const subject = recordOf(json['subject']);
  const annotations = recordOf(json['annotations']);
  const configType = content.kind === 'image' ? content.config.mediaType : undefined;
  const artifactType = textOf(json['artifactType']) ?? configType;
  return {
    ...(subject && { subject: parseDescriptor(subject, 'manifest: subject').digest }),
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations && { annotations: textsOf(annotations) }),
  };
}

/** Throws ImageError `Invalid`. */
export function parseImageConfig(bytes: Uint8Array): ImageConfigFile {
  const json = parseObject(bytes, 'image configuration', MANIFEST_BYTES_MAX);
  const rootfs = recordOf(json['rootfs']) ?? {};
  const diffIds = arrayOf(rootfs['diff_ids'], 'image configuration: rootfs.diff_ids', LAYERS_MAX);
  const os = textOf(json['os']);
  const architecture = textOf(json['architecture']);
  return {
    platform: { ...(os && { os }), ...(architecture && { architecture }) },
    config: executionOf(recordOf(json['config']) ?? {}),
    diffIds: diffIds.map((id) => parseDigest(id, 'image configuration: rootfs.diff_ids')),
  };
}

/** The first entry for the platform; undefined when there is none. Attestations (`unknown/unknown`) never match. */
export function chooseManifest(index: ImageIndex, platform: Platform): Descriptor | undefined {
  const matching = index.manifests.find(
    (entry) =>
      entry.platform?.os === platform.os && entry.platform.architecture === platform.architecture,
  );
  const only = index.manifests.length === 1 ? index.manifests[0] : undefined;
  return matching ?? (only && !only.platform ? only : undefined);
}

/** This machine's platform in Go's words. */
export function platformOf(architecture: string): Platform {
  const goNames: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
  return { os: 'linux', architecture: goNames[architecture] ?? architecture };
}

/** What must be there for a manifest to be complete. */
export function childrenOf({ content }: Manifest): readonly Descriptor[] {
  return content.kind === 'index' ? content.manifests : [content.config, ...content.layers];
}

function contentOf(
  json: Readonly<Record<string, unknown>>,
  mediaType: string,
): ImageManifest | ImageIndex {
  if (mediaType === OCI_INDEX || mediaType === DOCKER_LIST) {
    const entries = arrayOf(json['manifests'], 'index: manifests', INDEX_ENTRIES_MAX);
    return { kind: 'index', manifests: entries.map((entry) => parseDescriptor(entry, 'index')) };
  }
  if (mediaType !== OCI_MANIFEST && mediaType !== DOCKER_MANIFEST)
    throw invalid(
      `manifest: media type ${mediaType}, wanted one of ${MANIFEST_MEDIA_TYPES.join(', ')}`,
    );
  const layers = arrayOf(json['layers'], 'manifest: layers', LAYERS_MAX);
  return {
    kind: 'image',
    config: parseDescriptor(json['config'], 'manifest: config'),
    layers: layers.map((layer) => parseDescriptor(layer, 'manifest: layers')),
  };
}

function parseDescriptor(value: unknown, where: string): Descriptor {
  const json = recordOf(value);
  if (!json) throw invalid(`${where}: found ${shown(value)}, wanted a descriptor`);
  const size = json['size'];
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`${where}: size ${shown(size)}, wanted a whole number of bytes`);
  const platform = recordOf(json['platform']);
  const annotations = recordOf(json['annotations']);
  return {
    mediaType: textOf(json['mediaType']) ?? 'application/octet-stream',
    digest: parseDigest(json['digest'], `${where}: digest`),
    size,
    ...(platform && {
      platform: {
        os: textOf(platform['os']) ?? '',
        architecture: textOf(platform['architecture']) ?? '',
      },
    }),
    ...(annotations && { annotations: textsOf(annotations) }),
  };
}

/** Only what has the promised type is kept: an image may say anything here. */
function executionOf(json: Readonly<Record<string, unknown>>): ImageConfig {
  const labels = recordOf(json['Labels']);
  const ports = recordOf(json['ExposedPorts']);
  const user = textOf(json['User']);
  const workingDir = textOf(json['WorkingDir']);
  return {
    ...listUnder(json, 'Entrypoint'),
    ...listUnder(json, 'Cmd'),
    ...listUnder(json, 'Env'),
    ...(user && { User: user }),
    ...(workingDir && { WorkingDir: workingDir }),
    ...(labels && { Labels: textsOf(labels) }),
    ...(ports && { ExposedPorts: ports }),
  };
}

function listUnder(
  json: Readonly<Record<string, unknown>>,
  key: string,
): Record<string, readonly string[]> {
  const value = json[key];
  if (value === undefined || value === null) return {};
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
    throw invalid(`image configuration: ${key}: found ${shown(value)}, wanted strings`);
  return { [key]: value };
}

function guessMediaType(json: Readonly<Record<string, unknown>>): string {
  return Array.isArray(json['manifests']) ? OCI_INDEX : OCI_MANIFEST;
}

function parseObject(
  bytes: Uint8Array,
  what: string,
  bytesMax: number,
): Readonly<Record<string, unknown>> {
  if (bytes.length > bytesMax) throw invalid(`${what}: ${bytes.length} bytes, at most ${bytesMax}`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new ImageError('Invalid', `${what}: it is not JSON`, error);
  }
  const json = recordOf(value);
  if (!json) throw invalid(`${what}: it is not a JSON object`);
  return json;
}

function arrayOf(value: unknown, where: string, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${where}: found ${typeof value}, wanted a list`);
  if (value.length > lengthMax)
    throw invalid(`${where}: ${value.length} entries, at most ${lengthMax}`);
  return value;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function textsOf(json: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts = Object.entries(json).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(texts);
}

function invalid(message: string): ImageError {
  return new ImageError('Invalid', message);
}
