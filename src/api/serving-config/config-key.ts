import { parse } from 'yaml';
import { goDurationComplaint, parseGoDuration } from '#api/meta/go-duration.ts';
import { canonicalQuantity } from '#api/meta/canonical.ts';
import { isQuantity } from '#api/meta/quantity.ts';

/** What a ConfigMap holds under `data`. */
export type ConfigData = Readonly<Record<string, string>>;

/** A value that a ConfigMap must not have; the message is in upstream's words, since clients see it when they write. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** One setting: what it is called, what it is where nobody says, and what it is for. */
export interface ConfigKey<T> {
  /** The first one present counts; those after the first are spellings of before. */
  readonly names: readonly [string, ...string[]];
  /** In the ConfigMap's notation. */
  readonly fallback: string;
  readonly about: string;
  /** What it is where nobody says, of a key whose every text says something. */
  readonly unsaid?: { readonly value: T };
  /** Throws ConfigError. */
  parse(text: string, name: string): T;
}

type Keys = Readonly<Record<string, ConfigKey<unknown>>>;
export type ValuesOf<K> = {
  readonly [P in keyof K]: K[P] extends ConfigKey<infer T> ? T : never;
};

/** All of `keys`, with their fallbacks where `data` does not name them. Throws ConfigError. */
export function readKeys<K extends Keys>(keys: K, data: ConfigData): ValuesOf<K> {
  const values = Object.entries(keys).map(([property, key]) => {
    const name = key.names.find((each) => Object.hasOwn(data, each));
    if (name === undefined && key.unsaid) return [property, key.unsaid.value];
    const text = name === undefined ? key.fallback : (data[name] ?? '');
    return [property, key.parse(text, name ?? key.names[0])];
  });
  // Each property has what its own key made of it, which is what the type says.
  return Object.fromEntries(values) as ValuesOf<K>;
}

/** What a new ConfigMap shows its reader: each key with its fallback, and what it is for; what has none in a comment. */
export function exampleOf(keys: Keys): string {
  return Object.values(keys)
    .map(
      ({ names: [name], fallback, about, unsaid }) =>
        `# ${about}\n${unsaid ? '# ' : ''}${name}: ${JSON.stringify(fallback)}\n`,
    )
    .join('\n');
}

interface KeyOptions {
  readonly fallback: string;
  readonly about: string;
  readonly aliases?: readonly string[];
}

export function keyOf<T>(
  name: string,
  options: KeyOptions,
  parse: (text: string, name: string) => T,
): ConfigKey<T> {
  const { fallback, about, aliases = [] } = options;
  return { names: [name, ...aliases], fallback, about, parse };
}

export function text(name: string, options: KeyOptions): ConfigKey<string> {
  return keyOf(name, options, (value) => value);
}

export function number(name: string, options: KeyOptions): ConfigKey<number> {
  return keyOf(name, options, (value, key) => {
    const parsed = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(value)
      ? Number(value)
      : Number.NaN;
    if (!Number.isFinite(parsed)) throw unreadable(key, 'strconv.ParseFloat', value);
    return parsed;
  });
}

export function integer(
  name: string,
  options: KeyOptions & { readonly form?: keyof typeof INTEGERS },
): ConfigKey<number> {
  const { form = 'int64' } = options;
  const { parser, pattern, low, high } = INTEGERS[form];
  return keyOf(name, options, (value, key) => {
    if (!pattern.test(value)) throw unreadable(key, parser, value);
    const parsed = Number(value);
    if (parsed >= low && parsed <= high) return parsed;
    throw unreadable(key, parser, value, 'value out of range');
  });
}

/** Go's, as far as numbers here are exact. */
const INTEGERS = {
  int32: {
    parser: 'strconv.ParseInt',
    pattern: /^[-+]?\d+$/,
    low: -(2 ** 31),
    high: 2 ** 31 - 1,
  },
  int64: {
    parser: 'strconv.ParseInt',
    pattern: /^[-+]?\d+$/,
    low: Number.MIN_SAFE_INTEGER,
    high: Number.MAX_SAFE_INTEGER,
  },
  uint: {
    parser: 'strconv.ParseUint',
    pattern: /^\d+$/,
    low: 0,
    high: Number.MAX_SAFE_INTEGER,
  },
} as const;

/** In milliseconds. */
export function duration(name: string, options: KeyOptions): ConfigKey<number> {
  return keyOf(name, options, (value, key) => {
    const parsed = parseGoDuration(value);
    if (parsed !== undefined) return parsed;
    throw new ConfigError(
      `failed to parse ${JSON.stringify(key)}: ${goDurationComplaint(value) ?? ''}`,
    );
  });
}

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

export function flag(name: string, options: KeyOptions): ConfigKey<boolean> {
  return keyOf(name, options, (value, key) => {
    if (TRUE.includes(value)) return true;
    if (FALSE.includes(value)) return false;
    throw unreadable(key, 'strconv.ParseBool', value);
  });
}

/** An amount of a resource as Kubernetes writes it; undefined where the key has none. */
export function quantity(
  name: string,
  options: Omit<KeyOptions, 'fallback'>,
): ConfigKey<string | undefined> {
  const key = keyOf(name, { ...options, fallback: '' }, (value, key) => {
    if (isQuantity(value)) return canonicalQuantity(value);
    const why =
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    throw new ConfigError(`failed to parse ${JSON.stringify(key)}: ${why}`);
  });
  return { ...key, unsaid: { value: undefined } };
}

interface ChoiceOptions<W extends string> extends KeyOptions {
  readonly words: readonly W[];
  /** How words are told apart; without a word at all the fallback is meant, unless `exactly` one is. */
  readonly match?: 'in any case' | 'exactly';
  /** Upstream's words for one that is none of these; it lets many pass, as if nothing were said. */
  readonly refusal?: (value: string, key: string) => string;
}

/** One of a few words; another one is refused. */
export function choice<const W extends string>(
  name: string,
  options: ChoiceOptions<W>,
): ConfigKey<W> {
  const { words, match = 'in any case', refusal = unsupported(words) } = options;
  const isExact = match === 'exactly';
  const found = (value: string): W | undefined =>
    words.find(
      (word) => word === value || (!isExact && word.toLowerCase() === value.toLowerCase()),
    );
  return keyOf(name, options, (value, key) => {
    const word = found(value === '' && !isExact ? options.fallback : value);
    if (word !== undefined) return word;
    throw new ConfigError(refusal(value, key));
  });
}

function unsupported(words: readonly string[]): NonNullable<ChoiceOptions<string>['refusal']> {
  return (value, key) =>
    `unsupported ${key} value: ${JSON.stringify(value)}, wanted one of ${words.join(', ')}`;
}

/** Names with commas between them, blanks around them left out. */
export function names(name: string, options: KeyOptions): ConfigKey<readonly string[]> {
  return keyOf(name, options, (value) =>
    value
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean),
  );
}

function unreadable(
  key: string,
  parser: string,
  value: string,
  why = 'invalid syntax',
): ConfigError {
  const text = `${parser}: parsing ${JSON.stringify(value)}: ${why}`;
  return new ConfigError(`failed to parse ${JSON.stringify(key)}: ${text}`);
}

/** A value that holds more is no configuration. */
const YAML_LENGTH_MAX = 64 * 1024;

/** The keys and values of a setting that is written in YAML; nothing where the text is empty. Throws ConfigError. */
export function yamlEntries(value: string, at: string): [string, unknown][] {
  if (value.length > YAML_LENGTH_MAX) {
    throw new ConfigError(`${at}: ${value.length} characters, at most ${YAML_LENGTH_MAX}`);
  }
  try {
    const parsed: unknown = parse(value, { maxAliasCount: 0, uniqueKeys: false });
    return entriesOf(parsed ?? {}, at);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${at}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Throws ConfigError where the value has no keys. */
export function entriesOf(value: unknown, at: string): [string, unknown][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value);
  }
  throw new ConfigError(`${at}: ${JSON.stringify(value)}, wanted keys and values`);
}

/** Labels that somebody must have. Throws ConfigError where one is no text. */
export function selectorOf(value: unknown, at: string): ReadonlyMap<string, string> {
  return new Map(
    entriesOf(value ?? {}, at).map(([key, label]) => {
      if (typeof label === 'string') return [key, label];
      // What YAML reads as something else is still how its author wrote the text.
      if (typeof label === 'number' || typeof label === 'boolean') return [key, String(label)];
      throw new ConfigError(`${at}.${key}: ${JSON.stringify(label)}, wanted a text`);
    }),
  );
}
