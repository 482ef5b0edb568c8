import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { runCommand } from '#base/command.ts';
import { apiVersionOf } from '#api/kind.ts';
import type {
  KeyToPath,
  ServiceAccountTokenProjection,
  Volume,
  VolumeProjection,
} from '#api/generated/core-v1.ts';
import { TokenRequest } from '#api/authentication-v1/token-request.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import type { Client } from '#client/client.ts';
import { amountOf } from '#api/meta/quantity.ts';
import type { ConfigReader } from '#agent/pods/config-reader.ts';
import { configProblem } from '#agent/pods/container-problem.ts';
import { fieldValue, type PodFacts } from '#agent/pods/environment.ts';

export interface VolumeSources extends PodFacts {
  readonly client: Client;
  readonly reader: ConfigReader;
  /** Every volume is a folder in it, named after the volume. */
  readonly folder: string;
}

interface File {
  readonly path: string;
  readonly data: Buffer;
  readonly mode: number;
}

const FILE_MODE = 0o644;
const TOKEN_SECONDS = 3600;

/**
 * Makes the folders of a pod's volumes. Throws ContainerProblem for a type that is not supported yet and for what is
 * missing. Called again it writes the same files anew, which is how tokens are renewed.
 */
export async function writeVolumes(sources: VolumeSources): Promise<void> {
  await Promise.all(
    (sources.pod.spec?.volumes ?? []).map((volume) => writeVolume(volume, sources)),
  );
}

/** Seconds until a token of the pod has to be written anew; undefined where it has none. A fifth of its life is left then. */
export function tokenRenewalSeconds(volumes: readonly Volume[] = []): number | undefined {
  const lives = volumes
    .flatMap((volume) => volume.projected?.sources ?? [])
    .flatMap(({ serviceAccountToken: token }) =>
      token ? [token.expirationSeconds ?? TOKEN_SECONDS] : [],
    );
  return lives.length === 0 ? undefined : Math.min(...lives) * 0.8;
}

async function writeVolume(volume: Volume, sources: VolumeSources): Promise<void> {
  const folder = path.join(sources.folder, volume.name);
  const { emptyDir, configMap, secret, projected, downwardAPI } = volume;
  if (emptyDir) {
    // Any user of the pod may write to it.
    await mkdir(folder, { recursive: true }).then(async (made) => {
      if (made === undefined) return;
      await chmod(folder, 0o777);
      if (emptyDir.medium !== 'Memory') return;
      const size = emptyDir.sizeLimit === undefined ? [] : [`size=${amountOf(emptyDir.sizeLimit)}`];
      const options = ['nosuid', 'nodev', 'mode=0777', ...size].join(',');
      await runCommand(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
    });
    return;
  }
  const files = configMap
    ? await projection({ configMap }, sources, configMap.defaultMode)
    : secret
      ? await projection(
          { secret: { ...secret, ...named(secret.secretName) } },
          sources,
          secret.defaultMode,
        )
      : downwardAPI
        ? await projection({ downwardAPI }, sources, downwardAPI.defaultMode)
        : projected
          ? (
              await Promise.all(
                (projected.sources ?? []).map((each) =>
                  projection(each, sources, projected.defaultMode),
                ),
              )
            ).flat()
          : undefined;
  if (!files) {
    const type = Object.keys(volume).find((key) => key !== 'name') ?? 'none';
    throw configProblem(
      `volume "${volume.name}" is of type ${type}, which is not supported yet: use emptyDir, configMap, secret, downwardAPI or projected`,
    );
  }
  await mkdir(folder, { recursive: true });
  for (const file of files) await writeVolumeFile(folder, file);
}

function named(name: string | undefined): { readonly name?: string } {
  return name === undefined ? {} : { name };
}

async function projection(
  source: VolumeProjection,
  sources: VolumeSources,
  defaultMode = FILE_MODE,
): Promise<File[]> {
  const { configMap, secret, downwardAPI, serviceAccountToken: token } = source;
  const keyed = configMap ?? secret;
  if (keyed) {
    const wanted = { name: keyed.name ?? '', optional: keyed.optional };
    const data = configMap
      ? await sources.reader.configMap(wanted)
      : await sources.reader.secret(wanted);
    return filesOf(data, {
      items: keyed.items,
      mode: defaultMode,
      isOptional: keyed.optional === true,
    });
  }
  if (downwardAPI) {
    return (downwardAPI.items ?? []).map((item) => {
      if (!item.fieldRef) throw configProblem(`downward API file "${item.path}" needs a fieldRef`);
      const data = Buffer.from(fieldValue(item.fieldRef, sources));
      return { path: item.path, data, mode: item.mode ?? defaultMode };
    });
  }
  if (token) return [{ path: token.path, data: await requestToken(token, sources), mode: 0o644 }];
  throw configProblem(
    'a projected volume has a source that is not supported yet: use configMap, secret, downwardAPI or serviceAccountToken',
  );
}

function filesOf(
  data: Readonly<Record<string, Buffer>>,
  {
    items,
    mode,
    isOptional,
  }: { items: KeyToPath[] | undefined; mode: number; isOptional: boolean },
): File[] {
  if (!items) return Object.entries(data).map(([key, value]) => ({ path: key, data: value, mode }));
  return items.flatMap((item) => {
    const value = data[item.key];
    if (value) return [{ path: item.path, data: value, mode: item.mode ?? mode }];
    if (isOptional) return [];
    throw configProblem(`references non-existent config key: ${item.key}`);
  });
}

/** Bound to the pod, whose end is the token's; one that is only prepared has no object yet, and is bound when renewed. */
async function requestToken(
  { audience, expirationSeconds = TOKEN_SECONDS }: ServiceAccountTokenProjection,
  { client, pod }: VolumeSources,
): Promise<Buffer> {
  const { namespace = '', name = '', uid = '', resourceVersion } = pod.metadata;
  const account = pod.spec?.serviceAccountName ?? 'default';
  const boundObjectRef = { apiVersion: apiVersionOf(Pod), kind: Pod.kind, name, uid };
  const request: TokenRequest = {
    apiVersion: apiVersionOf(TokenRequest),
    kind: TokenRequest.kind,
    metadata: {},
    spec: {
      audiences: audience === undefined ? [] : [audience],
      expirationSeconds,
      ...(resourceVersion !== undefined && { boundObjectRef }),
    },
  };
  const ref = { namespace, name: account, subresource: 'token' };
  const reply = await client.createSubresource(ServiceAccount, ref, request);
  return Buffer.from(reply.status?.token ?? '');
}

/** The server has checked that the path neither is absolute nor climbs; this holds also where it did not. */
async function writeVolumeFile(folder: string, file: File): Promise<void> {
  const target = path.join(folder, path.join('/', file.path));
  await mkdir(path.dirname(target), { recursive: true });
  await writeFileAtomic(target, file.data, file.mode);
}
