import { formatGoDuration } from '#api/meta/go-duration.ts';
import { subdomain } from '#api/meta/name-errors.ts';
import {
  choice,
  ConfigError,
  duration,
  entriesOf,
  flag,
  keyOf,
  names,
  quantity,
  readKeys,
  selectorOf,
  text,
  yamlEntries,
  type ConfigData,
  type ValuesOf,
} from '#api/serving-config/config-key.ts';

const SIDECAR = 'There is no sidecar here, so that this changes nothing.';

/** `config-deployment` (serving specification §7): how pods are made of revisions. */
export const deploymentKeys = {
  queueSidecarImage: {
    ...keyOf(
      'queue-sidecar-image',
      { fallback: '', aliases: ['queueSidecarImage'], about: SIDECAR },
      (value) => {
        if (value !== '') return value;
        throw new ConfigError('queue-sidecar-image cannot be empty or unset');
      },
    ),
    // Where there is no sidecar, it may be unset.
    unsaid: { value: '' },
  },
  registriesSkippingTagResolving: names('registries-skipping-tag-resolving', {
    fallback: 'kind.local,ko.local,dev.local',
    aliases: ['registriesSkippingTagResolving'],
    about: 'Registries whose images keep their tags, with commas.',
  }),
  digestResolutionTimeoutMs: duration('digest-resolution-timeout', {
    fallback: '10s',
    aliases: ['digestResolutionTimeout'],
    about: 'Time that a registry has to say what a tag stands for.',
  }),
  progressDeadlineMs: duration('progress-deadline', {
    fallback: '600s',
    aliases: ['progressDeadline'],
    about: 'Time that a revision has to become ready.',
  }),
  queueSidecarCpuRequest: quantity('queue-sidecar-cpu-request', {
    aliases: ['queueSidecarCPURequest'],
    about: SIDECAR,
  }),
  queueSidecarCpuLimit: quantity('queue-sidecar-cpu-limit', {
    aliases: ['queueSidecarCPULimit'],
    about: SIDECAR,
  }),
  queueSidecarMemoryRequest: quantity('queue-sidecar-memory-request', {
    aliases: ['queueSidecarMemoryRequest'],
    about: SIDECAR,
  }),
  queueSidecarMemoryLimit: quantity('queue-sidecar-memory-limit', {
    aliases: ['queueSidecarMemoryLimit'],
    about: SIDECAR,
  }),
  queueSidecarStorageRequest: quantity('queue-sidecar-ephemeral-storage-request', {
    aliases: ['queueSidecarEphemeralStorageRequest'],
    about: SIDECAR,
  }),
  queueSidecarStorageLimit: quantity('queue-sidecar-ephemeral-storage-limit', {
    aliases: ['queueSidecarEphemeralStorageLimit'],
    about: SIDECAR,
  }),
  queueSidecarTokenAudiences: names('queue-sidecar-token-audiences', {
    fallback: '',
    about: SIDECAR,
  }),
  queueSidecarRootCa: text('queue-sidecar-rootca', { fallback: '', about: SIDECAR }),
  defaultAffinityType: choice('default-affinity-type', {
    fallback: 'prefer-spread-revision-over-nodes',
    words: ['prefer-spread-revision-over-nodes', 'none'],
    match: 'exactly',
    refusal: (value, key) => `unsupported ${key} value: ${JSON.stringify(value)}`,
    about: 'Where pods without an affinity of their own would rather be.',
  }),
  runtimeClasses: keyOf(
    'runtime-class-name',
    {
      fallback: '',
      about: 'Runtime classes in YAML, each with the selector of the revisions that have it.',
    },
    runtimeClassesOf,
  ),
  isAlwaysSchedulable: flag('pod-is-always-schedulable', {
    fallback: 'false',
    about:
      'Whether a pod that fits nowhere only waits for a node to come, which is then no failure.',
  }),
} as const;

export type DeploymentConfig = ValuesOf<typeof deploymentKeys>;

export interface RuntimeClassChoice {
  readonly name: string;
  readonly selector: ReadonlyMap<string, string>;
}

/** Throws ConfigError. */
export function parseDeploymentConfig(data: ConfigData): DeploymentConfig {
  const config = readKeys(deploymentKeys, data);
  const { digestResolutionTimeoutMs, progressDeadlineMs } = config;
  const deadline = formatGoDuration(progressDeadlineMs);
  if (progressDeadlineMs <= 0) {
    throw new ConfigError(`progress-deadline cannot be a non-positive duration, was ${deadline}`);
  }
  if (progressDeadlineMs % 1_000 !== 0) {
    throw new ConfigError(`progress-deadline must be rounded to a whole second, was: ${deadline}`);
  }
  if (digestResolutionTimeoutMs <= 0) {
    throw new ConfigError(
      `digest-resolution-timeout cannot be a non-positive duration, was ${formatGoDuration(digestResolutionTimeoutMs)}`,
    );
  }
  return config;
}

/** The most specific first. */
function runtimeClassesOf(value: string, at: string): readonly RuntimeClassChoice[] {
  return classEntries(value, at)
    .map(([name, settings]) => {
      const why = subdomain(name);
      if (why.length > 0) {
        throw new ConfigError(`${at} ${name} selector not valid DNSSubdomain: [${why.join(' ')}]`);
      }
      const fields = new Map(entriesOf(settings ?? {}, `${at}: ${name}`));
      return { name, selector: selectorOf(fields.get('selector'), `${at}: ${name}: selector`) };
    })
    .toSorted((a, b) => b.selector.size - a.selector.size || (a.name < b.name ? -1 : 1));
}

function classEntries(value: string, at: string): [string, unknown][] {
  try {
    return yamlEntries(value, at);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const why = error.message.slice(`${at}: `.length);
    throw new ConfigError(`${at} cannot be parsed, please check the format: ${why}`);
  }
}
