import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  ServiceAccountTokenProjection,
  Volume,
  VolumeProjection,
} from '#api/generated/core-v1.ts';
import { TokenRequest } from '#api/authentication-v1/token-request.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { apiVersionOf } from '#api/kind.ts';
import type { Client } from '#client/client.ts';
import type { ConfigReader } from '#agent/pods/config-reader.ts';
import { configProblem } from '#agent/pods/container-problem.ts';
import { fieldValue, resourceValue, type PodFacts } from '#agent/pods/environment.ts';
import type { VolumeFile } from '#agent/volumes/versioned-folder.ts';

export interface ConfigSources extends PodFacts {
  readonly client: Client;
  readonly reader: ConfigReader;
}

const FILE_MODE = 0o644;
const TOKEN_SECONDS = 3600;
/** A token is for those who run as the one user, or for the volume's group. */
const TOKEN_MODE = 0o600;

/**
 * The files of a volume whose content comes from the API; undefined of one that is of another type. Throws
 * ContainerProblem for what is missing.
 */
export async function configFiles(
  volume: Volume,
  sources: ConfigSources,
): Promise<readonly VolumeFile[] | undefined> {
  const projections = projectionsOf(volume);
  if (!projections) return undefined;
  const { defaultMode = FILE_MODE } =
    volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected ?? {};
  const found = await Promise.all(
    projections.map((each) => projection(each, sources, defaultMode)),
  );
  // Where two name the same file, the later one wins.
  const files = new Map(found.flat().map((file) => [file.path, file]));
  for (const name of files.keys()) {
    if (name.startsWith('..') || name.split('/').includes('..'))
      throw configProblem(`volume "${volume.name}" has a file "${name}": it must not contain ".."`);
  }
  return [...files.values()];
}

/** `ConfigMap/name`, `Secret/name` of all that the files of these volumes come from. */
export function configDependencies(volumes: readonly Volume[] = []): ReadonlySet<string> {
  const sources = volumes.flatMap((volume) => projectionsOf(volume) ?? []);
  return new Set(
    sources.flatMap(({ configMap, secret }) => [
      ...(configMap ? [`ConfigMap/${configMap.name}`] : []),
      ...(secret ? [`Secret/${secret.name}`] : []),
    ]),
  );
}

/** Whether files of these volumes tell of the pod's labels or annotations, which may change while it runs. */
export function tellsOfPod(volumes: readonly Volume[] = []): boolean {
  return volumes
    .flatMap((volume) => projectionsOf(volume) ?? [])
    .flatMap(({ downwardAPI }) => downwardAPI?.items ?? [])
    .some(({ fieldRef }) => /^metadata\.(labels|annotations)/.test(fieldRef?.fieldPath ?? ''));
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

/** A volume of one source is a projected one of that source alone. */
function projectionsOf(volume: Volume): readonly VolumeProjection[] | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) return [{ configMap }];
  if (secret) {
    const { secretName, ...rest } = secret;
    return [{ secret: { ...rest, ...(secretName !== undefined && { name: secretName }) } }];
  }
  if (downwardAPI) return [{ downwardAPI }];
  return projected && (projected.sources ?? []);
}

async function projection(
  source: VolumeProjection,
  sources: ConfigSources,
  mode: number,
): Promise<VolumeFile[]> {
  const { configMap, secret, downwardAPI, serviceAccountToken: token } = source;
  const keyed = configMap ?? secret;
  if (keyed) {
    const { name = '', optional, items } = keyed;
    const isOptional = optional === true;
    const data = configMap
      ? await sources.reader.configMap({ name, optional })
      : await sources.reader.secret({ name, optional });
    return filesOf(data, { items, mode, isOptional });
  }
  if (downwardAPI) {
    return (downwardAPI.items ?? []).map((item) => {
      const data = Buffer.from(downwardValue(item, sources));
      return { path: item.path, data, mode: item.mode ?? mode };
    });
  }
  if (token) return [await tokenFile(token, sources, mode)];
  const type = Object.keys(source).join(', ') || 'none';
  throw configProblem(
    `a projected volume has a source of type ${type}, which is not there: use configMap, secret, downwardAPI or serviceAccountToken`,
  );
}

function filesOf(
  data: Readonly<Record<string, Buffer>>,
  {
    items,
    mode,
    isOptional,
  }: { items: KeyToPath[] | undefined; mode: number; isOptional: boolean },
): VolumeFile[] {
  if (!items) return Object.entries(data).map(([key, value]) => ({ path: key, data: value, mode }));
  return items.flatMap((item) => {
    const value = data[item.key];
    if (value) return [{ path: item.path, data: value, mode: item.mode ?? mode }];
    if (isOptional) return [];
    throw configProblem(`references non-existent config key: ${item.key}`);
  });
}

function downwardValue(
  { path: name, fieldRef, resourceFieldRef }: DownwardAPIVolumeFile,
  sources: ConfigSources,
): string {
  if (fieldRef) return fieldValue(fieldRef, sources);
  if (resourceFieldRef) return resourceValue(resourceFieldRef, sources.pod);
  throw configProblem(`downward API file "${name}" needs a fieldRef or a resourceFieldRef`);
}

async function tokenFile(
  token: ServiceAccountTokenProjection,
  sources: ConfigSources,
  mode: number,
): Promise<VolumeFile> {
  const { securityContext = {}, containers = [], initContainers = [] } = sources.pod.spec ?? {};
  const users = [...initContainers, ...containers].map(
    (each) => each.securityContext?.runAsUser ?? securityContext.runAsUser,
  );
  const [uid] = users;
  const isOneUser = uid !== undefined && users.every((each) => each === uid);
  const isPrivate = isOneUser || securityContext.fsGroup !== undefined;
  return {
    path: token.path,
    data: await requestToken(token, sources),
    mode: isPrivate ? TOKEN_MODE : mode,
    ...(isOneUser && { uid }),
  };
}

/** Bound to the pod, whose end is the token's; one that is only prepared has no object yet, and is bound when renewed. */
async function requestToken(
  { audience, expirationSeconds = TOKEN_SECONDS }: ServiceAccountTokenProjection,
  { client, pod }: ConfigSources,
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
