import { formatGoDuration } from '#api/meta/go-duration.ts';
import {
  ConfigError,
  duration,
  integer,
  keyOf,
  readKeys,
  type ConfigData,
  type ConfigKey,
  type ValuesOf,
} from '#api/serving-config/config-key.ts';

/** `config-gc` (serving specification §3.6): which Revisions that nobody routes to are kept. `undefined`: disabled. */
export const gcKeys = {
  retainSinceCreateMs: orDisabled(
    duration('retain-since-create-time', {
      fallback: '48h',
      about: 'Time since a revision was made for which it is kept; or disabled.',
    }),
  ),
  retainSinceLastActiveMs: orDisabled(
    duration('retain-since-last-active-time', {
      fallback: '15h',
      about: 'Time since a route last led to a revision for which it is kept; or disabled.',
    }),
  ),
  minNonActive: integer('min-non-active-revisions', {
    fallback: '20',
    about: 'Revisions without a route that are kept in any case, for each configuration.',
  }),
  maxNonActive: orDisabled(
    integer('max-non-active-revisions', {
      fallback: '1000',
      about: 'Revisions without a route that are kept at the most; or disabled.',
    }),
  ),
} as const;

export type GcConfig = ValuesOf<typeof gcKeys>;

function orDisabled(key: ConfigKey<number>): ConfigKey<number | undefined> {
  const { fallback, about, names } = key;
  return keyOf(names[0], { fallback, about }, (value, name) =>
    value.toLowerCase() === 'disabled' ? undefined : key.parse(value, name),
  );
}

/** Throws ConfigError. */
export function parseGcConfig(data: ConfigData): GcConfig {
  const config = readKeys(gcKeys, data);
  const { minNonActive, maxNonActive } = config;
  for (const [name, value] of [
    ['retain-since-create-time', config.retainSinceCreateMs],
    ['retain-since-last-active-time', config.retainSinceLastActiveMs],
  ] as const) {
    if (value !== undefined && value < 0) {
      throw new ConfigError(`${name} cannot be negative, was: ${formatGoDuration(value)}`);
    }
  }
  if (minNonActive < 0)
    throw new ConfigError(`min-non-active-revisions must be non-negative, was: ${minNonActive}`);
  if (maxNonActive !== undefined && maxNonActive < 0) {
    throw new ConfigError(`max-non-active-revisions must be non-negative, was: ${maxNonActive}`);
  }
  if (maxNonActive !== undefined && minNonActive > maxNonActive) {
    throw new ConfigError(
      `min-non-active-revisions(${minNonActive}) must be <= max-non-active-revisions(${maxNonActive})`,
    );
  }
  return config;
}
