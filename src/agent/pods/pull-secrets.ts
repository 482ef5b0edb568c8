import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import type { Client } from '#client/client.ts';
import {
  credentialsFor,
  parseDockerConfig,
  type DockerConfig,
} from '#images/distribution/docker-config.ts';
import { ImageError, type RegistryCredentials } from '#images/image.ts';
import { parseReference } from '#images/reference.ts';

/** On whose behalf images are pulled: a pod's, or a revision's before it has pods. */
export interface Puller {
  readonly namespace: string;
  readonly serviceAccountName?: string | undefined;
  readonly imagePullSecrets?: readonly { readonly name?: string | undefined }[] | undefined;
}

export interface PullCredentials {
  readonly credentials: readonly RegistryCredentials[];
  /** Names of Secrets that are not there. */
  readonly missing: readonly string[];
}

const KEYS = {
  'kubernetes.io/dockerconfigjson': '.dockerconfigjson',
  'kubernetes.io/dockercfg': '.dockercfg',
};

/**
 * What the puller's own Secrets and its service account's hold for that image. A Secret that is missing, of another type
 * or unreadable counts as none, as with the kubelet: the registry's refusal is what a person sees.
 */
export async function pullCredentials(
  client: Client,
  { namespace, serviceAccountName = 'default', imagePullSecrets = [] }: Puller,
  image: string,
): Promise<PullCredentials> {
  const account = await client.get(ServiceAccount, { namespace, name: serviceAccountName });
  const named = [...imagePullSecrets, ...(account?.imagePullSecrets ?? [])];
  const names = [...new Set(named.flatMap(({ name }) => name || []))];
  const secrets = await Promise.all(names.map((name) => client.get(Secret, { namespace, name })));
  return {
    credentials: credentialsFor(parseReference(image), secrets.flatMap(configOf)),
    missing: names.filter((_name, at) => secrets[at] === undefined),
  };
}

function configOf(secret: Secret | undefined): readonly DockerConfig[] {
  const key = Object.entries(KEYS).find(([type]) => type === secret?.type)?.[1];
  const text = key && secret?.data?.[key];
  if (!text) return [];
  try {
    return [parseDockerConfig(Buffer.from(text, 'base64').toString('utf8'))];
  } catch (error) {
    if (error instanceof ImageError) return [];
    throw error;
  }
}
