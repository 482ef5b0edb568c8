import {
  choice,
  ConfigError,
  duration,
  integer,
  keyOf,
  readKeys,
  type ConfigData,
  type ConfigKey,
  yamlEntries,
  type ValuesOf,
} from '#api/serving-config/config-key.ts';

/** ConfigMaps that say how processes of upstream's run: checked, kept, and read by nobody here. */
const NOBODY = 'Kept for those who read it; nothing here does.';

export const leaderElectionKeys = {
  leaseDurationMs: duration('lease-duration', {
    fallback: '60s',
    aliases: ['leaseDuration'],
    about: NOBODY,
  }),
  renewDeadlineMs: duration('renew-deadline', {
    fallback: '40s',
    aliases: ['renewDeadline'],
    about: NOBODY,
  }),
  retryPeriodMs: duration('retry-period', {
    fallback: '10s',
    aliases: ['retryPeriod'],
    about: NOBODY,
  }),
  buckets: integer('buckets', { fallback: '1', about: NOBODY }),
} as const;

const BUCKETS_MAX = 10;

/** Throws ConfigError. */
export function parseLeaderElectionConfig(data: ConfigData): ValuesOf<typeof leaderElectionKeys> {
  const config = readKeys(leaderElectionKeys, data);
  const { buckets } = config;
  if (buckets < 1 || buckets > BUCKETS_MAX) {
    throw new ConfigError(`buckets: value must be between 1 <= ${buckets} <= ${BUCKETS_MAX}`);
  }
  return config;
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal'] as const;

const loggerConfig: ConfigKey<string> = keyOf(
  'zap-logger-config',
  { fallback: '{"level": "info", "encoding": "json"}', about: NOBODY },
  (value) => {
    if (value === '') return value;
    try {
      JSON.parse(value);
      return value;
    } catch (error) {
      throw new ConfigError(
        `zap-logger-config: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  },
);

export const loggingKeys = {
  loggerConfig,
  controller: level('controller'),
  autoscaler: level('autoscaler'),
  queueproxy: level('queueproxy'),
  webhook: level('webhook'),
  activator: level('activator'),
  hpaautoscaler: level('hpaautoscaler'),
} as const;

function level(component: string): ConfigKey<(typeof LEVELS)[number]> {
  return choice(`loglevel.${component}`, { fallback: 'info', words: LEVELS, about: NOBODY });
}

export const certManagerKeys = {
  issuer: issuer('issuerRef'),
  clusterLocalIssuer: issuer('clusterLocalIssuerRef'),
  systemInternalIssuer: issuer('systemInternalIssuerRef'),
} as const;

function issuer(name: string): ConfigKey<ReadonlyMap<string, unknown>> {
  const about = 'Who signs, in YAML: kind, name and group.';
  return keyOf(name, { fallback: '', about }, (value, at) => new Map(yamlEntries(value, at)));
}
