import {
  ConfigError,
  duration,
  integer,
  keyOf,
  names,
  readKeys,
  text,
  type ConfigData,
  type ConfigKey,
  yamlEntries,
  type ValuesOf,
} from '#api/serving-config/config-key.ts';

/** ConfigMaps that say how processes of upstream's run: checked, kept, and read by nobody here. */
const NOBODY = 'Kept for those who read it; nothing here does.';

export const leaderElectionKeys = {
  leaseDurationMs: duration('lease-duration', {
    fallback: '15s',
    aliases: ['leaseDuration'],
    about: 'How long after the last sign of a leader another process takes its place.',
  }),
  renewDeadlineMs: duration('renew-deadline', {
    fallback: '10s',
    aliases: ['renewDeadline'],
    about: 'How long a leader goes on that cannot renew its lease.',
  }),
  retryPeriodMs: duration('retry-period', {
    fallback: '2s',
    aliases: ['retryPeriod'],
    about: 'Between two attempts to take or to renew the lease.',
  }),
  buckets: integer('buckets', { form: 'uint', fallback: '1', about: NOBODY }),
} as const;

const BUCKETS_MAX = 10;

/** Throws ConfigError. */
export function parseLeaderElectionConfig(data: ConfigData): ValuesOf<typeof leaderElectionKeys> {
  const config = readKeys(leaderElectionKeys, data);
  const { buckets } = config;
  if (buckets < 1 || buckets > BUCKETS_MAX) {
    throw new ConfigError(`buckets: value must be between 1 <= ${buckets} <= ${BUCKETS_MAX}`);
  }
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = config;
  if (
    retryPeriodMs <= 0 ||
    renewDeadlineMs <= retryPeriodMs ||
    leaseDurationMs <= renewDeadlineMs
  ) {
    throw new ConfigError(
      `lease-duration ${leaseDurationMs / 1000}s should be more than renew-deadline ${renewDeadlineMs / 1000}s, which should be more than retry-period ${retryPeriodMs / 1000}s, which should be more than 0s`,
    );
  }
  return config;
}

/** A text that is a URL of https, or nothing. */
const acmeDirectory: ConfigKey<string> = keyOf(
  'acme-directory',
  {
    fallback: '',
    about:
      'Of an ACME server: who gives certificates for public hosts; saying so agrees to its terms. Without it the cluster signs them itself.',
  },
  (value, at) => {
    if (value === '' || URL.parse(value)?.protocol === 'https:') return value;
    throw new ConfigError(`${at}: ${JSON.stringify(value)}, wanted a URL with https`);
  },
);

/** What the server of acme-directory is known by, besides what is usual. */
const acmeRoots: ConfigKey<string> = keyOf(
  'acme-roots',
  { fallback: '', about: 'PEM of authorities that the server itself is known by, if unusual.' },
  (value, at) => {
    if (value.trim() === '' || value.trim().startsWith('-----BEGIN CERTIFICATE-----\n'))
      return value;
    throw new ConfigError(`${at}: wanted certificates in PEM`);
  },
);

export const certManagerKeys = {
  acmeDirectory,
  acmeRoots,
  acmeEmail: text('acme-email', {
    fallback: '',
    about: 'Where the people of that server write to.',
  }),
  builtInDomains: names('built-in-domains', {
    fallback: '',
    about: 'Domains, with commas, whose hosts no such server knows: the cluster signs for them.',
  }),
  issuer: issuer('issuerRef'),
  clusterLocalIssuer: issuer('clusterLocalIssuerRef'),
  systemInternalIssuer: issuer('systemInternalIssuerRef'),
} as const;

function issuer(name: string): ConfigKey<ReadonlyMap<string, unknown>> {
  const about = 'Who signs for cert-manager, in YAML: kind, name and group. Nothing here reads it.';
  return keyOf(name, { fallback: '', about }, (value, at) => new Map(yamlEntries(value, at)));
}
