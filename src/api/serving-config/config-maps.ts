import { crc32 } from 'node:zlib';
import { autoscalerKeys, parseAutoscalerConfig } from '#api/serving-config/config-autoscaler.ts';
import { defaultsKeys, parseDefaultsConfig } from '#api/serving-config/config-defaults.ts';
import { deploymentKeys, parseDeploymentConfig } from '#api/serving-config/config-deployment.ts';
import { domainExample, parseDomainConfig } from '#api/serving-config/config-domain.ts';
import { featureKeys, parseFeaturesConfig } from '#api/serving-config/config-features.ts';
import { gcKeys, parseGcConfig } from '#api/serving-config/config-gc.ts';
import {
  ConfigError,
  exampleOf,
  readKeys,
  type ConfigData,
  type ConfigKey,
} from '#api/serving-config/config-key.ts';
import { loggingKeys, parseLoggingConfig } from '#api/serving-config/config-logging.ts';
import { networkKeys, parseNetworkConfig } from '#api/serving-config/config-network.ts';
import {
  observabilityKeys,
  parseObservabilityConfig,
} from '#api/serving-config/config-observability.ts';
import {
  certManagerKeys,
  leaderElectionKeys,
  parseLeaderElectionConfig,
} from '#api/serving-config/config-platform.ts';

/** Where the ConfigMaps are. */
export const CONFIG_NAMESPACE = 'knative-serving';
/** Who refuses what is wrong with them. */
export const CONFIG_WEBHOOK = 'config.webhook.serving.knative.dev';
/** Ours to show: readers copy from it, and it has no effect. */
export const EXAMPLE_KEY = '_example';
const EXAMPLE_CHECKSUM = 'knative.dev/example-checksum';

const parsers = {
  autoscaler: parseAutoscalerConfig,
  defaults: parseDefaultsConfig,
  deployment: parseDeploymentConfig,
  domain: parseDomainConfig,
  features: parseFeaturesConfig,
  gc: parseGcConfig,
  network: parseNetworkConfig,
  observability: parseObservabilityConfig,
  'leader-election': parseLeaderElectionConfig,
  logging: parseLoggingConfig,
  certmanager: (data: ConfigData) => readKeys(certManagerKeys, data),
  tracing: (data: ConfigData) => readKeys({}, data),
} as const;

type Part = keyof typeof parsers;

/** What all the ConfigMaps together say. */
export type ServingSettings = { readonly [P in Part]: ReturnType<(typeof parsers)[P]> };

const parts = Object.keys(parsers) as readonly Part[];

/** Text and component (a label that webhooks select by) of the ConfigMaps that a new cluster has. */
const shown: Readonly<Record<Part, { readonly example: string; readonly component: string }>> = {
  autoscaler: { example: exampleOf(autoscalerKeys), component: 'autoscaler' },
  defaults: { example: exampleOf(defaultsKeys), component: 'controller' },
  deployment: { example: exampleOf(deploymentKeys), component: 'controller' },
  domain: { example: domainExample, component: 'controller' },
  features: { example: exampleOf(featureKeys), component: 'controller' },
  gc: { example: exampleOf(gcKeys), component: 'controller' },
  network: { example: exampleOf(networkKeys), component: 'networking' },
  observability: { example: exampleOf(observabilityKeys), component: 'observability' },
  'leader-election': { example: exampleOf(leaderElectionKeys), component: 'controller' },
  logging: { example: exampleOf(loggingKeys), component: 'logging' },
  certmanager: { example: exampleOf(certManagerKeys), component: 'net-certmanager' },
  tracing: {
    example: '# Nothing is read from here: config-observability has what was said here.\n',
    component: 'tracing',
  },
};

export const defaultSettings: ServingSettings = settingsWith({});

/** `config-network`. */
function nameOf(part: Part): string {
  return `config-${part}`;
}

function partOf(name: string): Part | undefined {
  return parts.find((part) => nameOf(part) === name);
}

/** Names of settings that need not be said, which older servers stored without a text too. */
const unsaidNames: ReadonlySet<string> = new Set(
  [defaultsKeys, deploymentKeys]
    .flatMap((keys): ConfigKey<unknown>[] => Object.values(keys))
    .filter(({ unsaid }) => unsaid !== undefined)
    .flatMap(({ names }) => names),
);

function saidOf(data: ConfigData): ConfigData {
  const isSaid = ([name, text]: [string, string]): boolean => text !== '' || !unsaidNames.has(name);
  return Object.fromEntries(Object.entries(data).filter(isSaid));
}

/**
 * `settings` with what one stored ConfigMap says now; without `data` it says nothing. Reads what older servers have let
 * in and configMapComplaint refuses today: empty texts that say nothing. Throws ConfigError.
 */
export function withConfigMap(
  settings: ServingSettings,
  name: string,
  data: ConfigData | undefined,
): ServingSettings {
  const part = partOf(name);
  return part === undefined ? settings : { ...settings, [part]: parsers[part](saidOf(data ?? {})) };
}

function settingsWith(data: ConfigData): ServingSettings {
  // Each part has what its own parser made, which is what the type says.
  return Object.fromEntries(parts.map((part) => [part, parsers[part](data)])) as ServingSettings;
}

interface Written {
  readonly metadata: {
    readonly name?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: ConfigData;
}

const EXAMPLE_CHANGED =
  'the update modifies a key in "_example" which is probably not what you want. Instead, copy the respective setting to the top-level of the ConfigMap, directly below "data"';

/** Why a ConfigMap of the namespace may not be written so, in the words that clients see; undefined where it may. */
export function configMapComplaint({ metadata, data = {} }: Written): string | undefined {
  const checksum = metadata.annotations?.[EXAMPLE_CHECKSUM];
  const example = data[EXAMPLE_KEY];
  if (checksum !== undefined && example !== undefined && checksumOf(example) !== checksum) {
    return EXAMPLE_CHANGED;
  }
  const part = partOf(metadata.name ?? '');
  try {
    if (part !== undefined) parsers[part](data);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

/** What of a ConfigMap of the namespace is checked, kept, and has no effect, though its author may count on it. */
export function configMapWarnings(written: Written): readonly string[] {
  const { metadata, data = {} } = written;
  if (metadata.name !== nameOf('network') || configMapComplaint(written) !== undefined) return [];
  const { systemInternalTls } = parseNetworkConfig(data);
  if (systemInternalTls !== 'Enabled') return [];
  const keys = [networkKeys.internalEncryption, networkKeys.systemInternalTls];
  const names = keys.flatMap((key) => key.names).filter((each) => data[each] !== undefined);
  return [
    `${names.join(' and ')} changes nothing: between the gateway and a program is nobody who could decrypt`,
  ];
}

/** Of the text with its line breaks as upstream spells them before it counts. */
export function checksumOf(example: string): string {
  const text = example.trim().replaceAll(/[\r\n]+/g, String.raw`\n`);
  return crc32(text).toString(16).padStart(8, '0');
}

export interface ConfigMapSeed {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly data: ConfigData;
}

/** The ConfigMaps of a new cluster: they say nothing, and show what they could. */
export function configMapSeeds(): readonly ConfigMapSeed[] {
  return parts.map((part) => {
    const { example, component } = shown[part];
    return {
      name: nameOf(part),
      labels: {
        'app.kubernetes.io/name': 'knative-serving',
        'app.kubernetes.io/component': component,
      },
      annotations: { [EXAMPLE_CHECKSUM]: checksumOf(example) },
      data: { [EXAMPLE_KEY]: example },
    };
  });
}
