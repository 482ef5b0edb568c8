import {
  choice,
  ConfigError,
  entriesOf,
  keyOf,
  readKeys,
  type ConfigData,
  type ConfigKey,
} from '#api/serving-config/config-key.ts';

const NOBODY = 'Kept for those who read it; nothing here does.';
const LEVELS = ['debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal'] as const;
type Level = (typeof LEVELS)[number];
const USUAL: Level = 'info';
const PREFIX = 'loglevel.';

/** `config-logging` (serving specification §7): which of the lines that processes write are told. */
export const loggingKeys = {
  usual: keyOf(
    'zap-logger-config',
    {
      fallback: '{"level": "info"}',
      about: 'The level of all that have none of their own, in JSON; the rest of it has no effect.',
    },
    usualLevel,
  ),
  controller: levelOf(
    'controller',
    'What the controllers, and all that runs in their process, log: this and what matters more.',
  ),
  autoscaler: levelOf('autoscaler'),
  queueproxy: levelOf('queueproxy'),
  webhook: levelOf('webhook', 'What `knode run webhook` logs.'),
  activator: levelOf('activator', 'What the gateway logs.'),
  hpaautoscaler: levelOf('hpaautoscaler'),
} as const;

type Component = Exclude<keyof typeof loggingKeys, 'usual'>;
export type LoggingConfig = { readonly [C in Component]: Level };

/** Of components that are not known here it is checked too. Throws ConfigError. */
export function parseLoggingConfig(data: ConfigData): LoggingConfig {
  for (const [name, value] of Object.entries(data)) {
    if (name.startsWith(PREFIX) && value !== '') loggingKeys.controller.parse(value, name);
  }
  const { usual, ...own } = readKeys(loggingKeys, data);
  const levels = Object.entries(own).map(([component, level]) => [component, level ?? usual]);
  // Each component has its level, which is what the type says.
  return Object.fromEntries(levels) as LoggingConfig;
}

/** Undefined where nothing is said. */
function levelOf(component: string, about = NOBODY): ConfigKey<Level | undefined> {
  const key = choice(PREFIX + component, {
    fallback: USUAL,
    about,
    words: LEVELS,
    refusal: (value) => `invalid logging level: ${value}`,
  });
  const parse = (text: string, name: string): Level | undefined =>
    text === '' ? undefined : key.parse(inOneWord(text), name);
  return { ...key, parse, unsaid: { value: undefined } };
}

/** `warning` is another spelling. */
function inOneWord(level: string): string {
  return level.toLowerCase() === 'warning' ? 'warn' : level;
}

function usualLevel(text: string, name: string): Level {
  if (text === '') return USUAL;
  const { level = USUAL } = Object.fromEntries(entriesOf(jsonOf(text, name), name));
  const found = LEVELS.find((each) => each === inOneWord(String(level)).toLowerCase());
  if (found !== undefined) return found;
  throw new ConfigError(`invalid logging level: ${String(level)}`);
}

function jsonOf(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
