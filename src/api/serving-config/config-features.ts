import {
  keyOf,
  readKeys,
  type ConfigData,
  type ConfigKey,
  type ValuesOf,
} from '#api/serving-config/config-key.ts';

/** Whether a feature is there; `Allowed` lets revisions ask for it themselves where that makes a difference. */
export type Flag = 'Enabled' | 'Allowed' | 'Disabled';
export type SecureDefaults = 'Enabled' | 'AllowRootBounded' | 'Disabled';

/** `config-features` (serving specification §2.6). Words that are none of a flag's keep its fallback, as upstream. */
export const featureKeys = {
  multiContainer: feature('multi-container', 'enabled', 'Several containers in a pod.'),
  multiContainerProbing: feature(
    'multi-container-probing',
    'disabled',
    'Probes of containers beside the serving one.',
  ),
  affinity: podField('affinity'),
  topologySpreadConstraints: podField('topologyspreadconstraints'),
  hostAliases: podField('hostaliases'),
  nodeSelector: podField('nodeselector'),
  tolerations: podField('tolerations'),
  runtimeClassName: podField('runtimeclassname'),
  priorityClassName: podField('priorityclassname'),
  schedulerName: podField('schedulername'),
  dnsPolicy: podField('dnspolicy'),
  dnsConfig: podField('dnsconfig'),
  shareProcessNamespace: podField('shareprocessnamespace'),
  hostIPC: podField('hostipc'),
  hostPID: podField('hostpid'),
  hostNetwork: podField('hostnetwork'),
  fieldRef: podField('fieldref', 'Variables from the pod itself: fieldRef and resourceFieldRef.'),
  securityContext: podField('securitycontext', "A part of the pod's securityContext."),
  addCapabilities: feature(
    'kubernetes.containerspec-addcapabilities',
    'disabled',
    'Capabilities that containers get beside the usual ones.',
  ),
  emptyDir: feature(
    'kubernetes.podspec-volumes-emptydir',
    'enabled',
    'Volumes of the kind emptyDir.',
  ),
  hostPath: volume('hostpath', 'hostPath'),
  csi: volume('csi', 'csi'),
  ephemeral: volume('ephemeral', 'ephemeral'),
  image: volume('image', 'image'),
  mountPropagation: feature(
    'kubernetes.podspec-volumes-mount-propagation',
    'disabled',
    'The mountPropagation of volume mounts.',
  ),
  persistentVolumeClaim: podField('persistent-volume-claim', 'Volumes of claims.'),
  persistentVolumeWrite: podField('persistent-volume-write', 'Writing to volumes of claims.'),
  initContainers: podField('init-containers', 'Containers that run before the others.'),
  securePodDefaults: keyOf(
    'secure-pod-defaults',
    {
      fallback: 'disabled',
      about:
        'Whether containers that do not say otherwise get few rights: disabled, AllowRootBounded or enabled.',
    },
    (value): SecureDefaults =>
      wordOf(value, ['Enabled', 'AllowRootBounded', 'Disabled']) ?? 'Disabled',
  ),
  tagHeaderBasedRouting: feature(
    'tag-header-based-routing',
    'disabled',
    'The header Knative-Serving-Tag chooses a tag.',
  ),
  autodetectHttp2: feature(
    'autodetect-http2',
    'disabled',
    'Containers are asked whether they speak HTTP/2.',
  ),
  mountPodInfo: feature(
    'queueproxy.mount-podinfo',
    'disabled',
    'Annotations of the pod for what stands before it.',
  ),
  queueResourceDefaults: feature(
    'queueproxy.resource-defaults',
    'disabled',
    'Requests and limits for what stands before the container.',
  ),
} as const;

export type FeaturesConfig = ValuesOf<typeof featureKeys>;
export type Feature = {
  [K in keyof FeaturesConfig]: FeaturesConfig[K] extends Flag ? K : never;
}[keyof FeaturesConfig];

export function parseFeaturesConfig(data: ConfigData): FeaturesConfig {
  return readKeys(featureKeys, data);
}

function feature(name: string, fallback: 'enabled' | 'disabled', about: string): ConfigKey<Flag> {
  const known = (value: string): Flag | undefined =>
    wordOf(value, ['Enabled', 'Allowed', 'Disabled']);
  return keyOf(name, { fallback, about }, (value) => known(value) ?? known(fallback) ?? 'Disabled');
}

function podField(
  field: string,
  about = `The field of a pod's spec that is called so in other case.`,
): ConfigKey<Flag> {
  return feature(`kubernetes.podspec-${field}`, 'disabled', about);
}

function volume(field: string, kind: string): ConfigKey<Flag> {
  return feature(`kubernetes.podspec-volumes-${field}`, 'disabled', `Volumes of the kind ${kind}.`);
}

function wordOf<const W extends string>(value: string, words: readonly W[]): W | undefined {
  return words.find((word) => word.toLowerCase() === value.toLowerCase());
}
