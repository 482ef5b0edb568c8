import type { GoTemplate } from '#base/go-template.ts';
import {
  ConfigError,
  flag,
  integer,
  keyOf,
  quantity,
  readKeys,
  type ConfigData,
  type ConfigKey,
  type ValuesOf,
} from '#api/serving-config/config-key.ts';
import { triedTemplate } from '#api/serving-config/config-template.ts';

/** `config-defaults` (serving specification §7): what authors of revisions may leave out. */
export const defaultsKeys = {
  timeoutSeconds: integer('revision-timeout-seconds', {
    fallback: '300',
    about: 'Time that a request may take.',
  }),
  timeoutSecondsMax: integer('max-revision-timeout-seconds', {
    fallback: '600',
    about: 'The most that a revision may allow its requests.',
  }),
  responseStartTimeoutSeconds: {
    ...integer('revision-response-start-timeout-seconds', {
      fallback: '',
      about:
        'Time until the first byte of a response; that of the whole request where nothing is said.',
    }),
    unsaid: { value: undefined },
  } satisfies ConfigKey<number | undefined>,
  idleTimeoutSeconds: integer('revision-idle-timeout-seconds', {
    fallback: '0',
    about: 'Time between two bytes of a response; 0: any.',
  }),
  cpuRequest: quantity('revision-cpu-request', { about: 'CPU that containers ask for.' }),
  memoryRequest: quantity('revision-memory-request', { about: 'Memory that containers ask for.' }),
  ephemeralStorageRequest: quantity('revision-ephemeral-storage-request', {
    about: 'Disk that containers ask for.',
  }),
  cpuLimit: quantity('revision-cpu-limit', { about: 'CPU that containers get at the most.' }),
  memoryLimit: quantity('revision-memory-limit', {
    about: 'Memory that containers get at the most.',
  }),
  ephemeralStorageLimit: quantity('revision-ephemeral-storage-limit', {
    about: 'Disk that containers get at the most.',
  }),
  containerName: nameTemplate('container-name-template', {
    fallback: 'user-container',
    about:
      'What containers are called; a Go template that sees the Name, Namespace, Labels and Annotations of their object.',
  }),
  initContainerName: nameTemplate('init-container-name-template', {
    fallback: 'init-container',
    about: 'What init containers are called, in the same way.',
  }),
  containerConcurrency: integer('container-concurrency', {
    fallback: '0',
    about: 'Requests at once in one pod; 0: no limit.',
  }),
  containerConcurrencyMax: integer('container-concurrency-max-limit', {
    fallback: '1000',
    about: 'The most that a revision may say there.',
  }),
  allowsConcurrencyZero: flag('allow-container-concurrency-zero', {
    fallback: 'true',
    about: 'Whether a revision may have no limit there.',
  }),
  enableServiceLinks: keyOf(
    'enable-service-links',
    {
      fallback: 'false',
      about:
        'Whether containers have a variable for each Service; default leaves it to Kubernetes.',
    },
    // Any other word is as good as default, as upstream has it.
    (value) =>
      (['true', 'false'] as const).find((word) => word === value.toLowerCase()) ?? 'default',
  ),
} as const;

export type DefaultsConfig = ValuesOf<typeof defaultsKeys>;

function nameTemplate(
  name: string,
  options: { readonly fallback: string; readonly about: string },
): ConfigKey<GoTemplate> {
  return keyOf(name, options, (value) => {
    return triedTemplate(value, {
      called: 'container-template',
      sample: { Name: '', Namespace: '', Labels: new Map(), Annotations: new Map() },
      wrong: (why) => `error executing template: ${why}`,
    });
  });
}

/** Throws ConfigError. */
export function parseDefaultsConfig(data: ConfigData): DefaultsConfig {
  const config = readKeys(defaultsKeys, data);
  for (const complaint of complaints(config)) throw new ConfigError(complaint);
  return config;
}

function* complaints(config: DefaultsConfig): Generator<string> {
  const { timeoutSeconds, timeoutSecondsMax, responseStartTimeoutSeconds = 0 } = config;
  const { idleTimeoutSeconds } = config;
  if (timeoutSeconds > timeoutSecondsMax) {
    yield `revision-timeout-seconds (${timeoutSeconds}) cannot be greater than max-revision-timeout-seconds (${timeoutSecondsMax})`;
  }
  if (timeoutSecondsMax <= 0) {
    yield `max-revision-timeout-seconds (${timeoutSecondsMax}) must be greater than 0`;
  }
  if (responseStartTimeoutSeconds > 0 && responseStartTimeoutSeconds > timeoutSeconds) {
    yield `revision-response-start-timeout-seconds (${responseStartTimeoutSeconds}) cannot be greater than revision-timeout-seconds (${timeoutSeconds})`;
  }
  if (idleTimeoutSeconds > 0 && idleTimeoutSeconds > timeoutSeconds) {
    yield `revision-idle-timeout-seconds (${idleTimeoutSeconds}) cannot be greater than revision-timeout-seconds (${timeoutSeconds})`;
  }
  const { containerConcurrency, containerConcurrencyMax } = config;
  if (containerConcurrencyMax < 1) {
    yield `expected 1 <= ${containerConcurrencyMax} <= ${2 ** 31 - 1}: container-concurrency-max-limit`;
  }
  if (containerConcurrency < 0 || containerConcurrency > containerConcurrencyMax) {
    yield `expected 0 <= ${containerConcurrency} <= ${containerConcurrencyMax}: container-concurrency`;
  }
}
