import { createHash } from 'node:crypto';
import { Pod } from '#api/core-v1/pod.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import type { Container, PodSpec, Volume } from '#api/generated/core-v1.ts';
import { forbidden } from '#api/meta/api-error.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { keyOf, objectOf } from '#apiserver/stored-object.ts';
import type { Store } from '#store/store.ts';

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const FILE_MODE = 0o644;
/** Kubernetes' own figure: an hour, and a little by which such tokens are told from those that somebody asked for. */
const TOKEN_SECONDS = 3607;

/**
 * Gives every pod its service account's token, the authority's certificate and its namespace as files, unless the pod or
 * the account declines. Throws Forbidden where the account does not exist.
 */
export function serviceAccountVolume(store: Store): AdmissionStep {
  return {
    handles: (kind) => kind === Pod,
    async admit(object, { kind, operation }) {
      if (operation !== 'CREATE') return undefined;
      // `handles` let only pods come here.
      const { metadata, spec } = object as Pod;
      if (!spec) return undefined;
      const { namespace = '', name = '' } = metadata;
      const account = spec.serviceAccountName ?? 'default';
      const entry = await store.get(keyOf(ServiceAccount, namespace, account));
      if (!entry) {
        const why = `error looking up service account ${namespace}/${account}: serviceaccount "${account}" not found`;
        throw forbidden(kind, name, why);
      }
      const { automountServiceAccountToken, imagePullSecrets } = objectOf<ServiceAccount>(entry);
      if (!spec.imagePullSecrets?.length && imagePullSecrets?.length) {
        spec.imagePullSecrets = structuredClone(imagePullSecrets);
      }
      const isWanted = spec.automountServiceAccountToken ?? automountServiceAccountToken ?? true;
      if (isWanted) mountToken(spec, `${namespace}/${account}`);
      return undefined;
    },
  };
}

function mountToken(spec: PodSpec, account: string): void {
  const silent = [...(spec.initContainers ?? []), ...spec.containers].filter(
    ({ volumeMounts = [] }) => !volumeMounts.some(({ mountPath }) => mountPath === MOUNT_PATH),
  );
  if (silent.length === 0) return;
  const volumes = spec.volumes ?? [];
  const name = volumeName(account, volumes);
  for (const container of silent) addMount(container, name);
  spec.volumes = [...volumes, tokenVolume(name)];
}

/**
 * The same for all pods of an account: a sandbox that was prepared by a dry run has its files where the pod that comes
 * later looks for them.
 */
function volumeName(account: string, volumes: readonly Volume[]): string {
  for (let attempt = 0; ; attempt += 1) {
    const hash = createHash('sha256').update(`${account} ${attempt}`).digest('hex').slice(0, 5);
    const name = `kube-api-access-${hash}`;
    if (!volumes.some((volume) => volume.name === name)) return name;
  }
}

function addMount(container: Container, name: string): void {
  const mount = { name, readOnly: true, mountPath: MOUNT_PATH };
  container.volumeMounts = [...(container.volumeMounts ?? []), mount];
}

function tokenVolume(name: string): Volume {
  const fieldRef = { apiVersion: 'v1', fieldPath: 'metadata.namespace' };
  return {
    name,
    projected: {
      defaultMode: FILE_MODE,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef }] } },
      ],
    },
  };
}
