import { goDurationComplaint, parseGoDuration } from '#api/meta/go-duration.ts';
import {
  ConfigError,
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
    'retain-since-create-time',
    {
      fallback: '48h',
      about: 'Time since a revision was made for which it is kept; or disabled.',
    },
    durationOf,
  ),
  retainSinceLastActiveMs: orDisabled(
    'retain-since-last-active-time',
    {
      fallback: '15h',
      about: 'Time since a route last led to a revision for which it is kept; or disabled.',
    },
    durationOf,
  ),
  minNonActive: integer('min-non-active-revisions', {
    fallback: '20',
    about: 'Revisions without a route that are kept in any case, for each configuration.',
  }),
  maxNonActive: orDisabled(
    'max-non-active-revisions',
    {
      fallback: '1000',
      about: 'Revisions without a route that are kept at the most; or disabled.',
    },
    countOf,
  ),
} as const;

export type GcConfig = ValuesOf<typeof gcKeys>;

/** Without a text the fallback is meant. `read` throws what is wrong with one. */
function orDisabled(
  name: string,
  options: { readonly fallback: string; readonly about: string },
  read: (text: string) => number,
): ConfigKey<number | undefined> {
  return keyOf(name, options, (value) => {
    const text = value.trim() || options.fallback;
    return text.toLowerCase() === 'disabled'
      ? undefined
      : within(`parse ${name}`, () => read(text));
  });
}

function durationOf(text: string): number {
  const complaint = goDurationComplaint(text);
  if (complaint !== undefined) throw new ConfigError(complaint);
  const durationMs = parseGoDuration(text) ?? 0;
  if (durationMs < 0) throw new ConfigError('must be non-negative');
  return durationMs;
}

function countOf(text: string): number {
  const wrong = `strconv.ParseUint: parsing ${JSON.stringify(text)}`;
  if (!/^\d+$/.test(text)) throw new ConfigError(`${wrong}: invalid syntax`);
  if (Number.isSafeInteger(Number(text))) return Number(text);
  throw new ConfigError(`${wrong}: value out of range`);
}

function within<T>(what: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`failed to ${what}: ${error.message}`);
  }
}

/** Throws ConfigError. */
export function parseGcConfig(data: ConfigData): GcConfig {
  const { minNonActive: least, ...others } = gcKeys;
  const { minNonActive } = within('parse data', () => readKeys({ minNonActive: least }, data));
  const config = { minNonActive, ...readKeys(others, data) };
  const { maxNonActive } = config;
  if (minNonActive < 0) {
    throw new ConfigError(`min-non-active-revisions must be non-negative, was: ${minNonActive}`);
  }
  if (maxNonActive !== undefined && minNonActive > maxNonActive) {
    throw new ConfigError(
      `min-non-active-revisions(${minNonActive}) must be <= max-non-active-revisions(${maxNonActive})`,
    );
  }
  return config;
}
