import type { Clock } from './clock.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** Structured lines for whoever runs the platform. Never pass a secret, a token or a body. */
export interface Log {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  /** `fields.error` may be an Error; its stack and causes are kept. */
  error(message: string, fields?: Fields): void;
  /** The same log with `fields` on every line. */
  with(fields: Fields): Log;
}

/** One JSON object a line: `{"time","level","message",…fields}`. */
export function jsonLog(write: (line: string) => void, clock: Clock, bound: Fields = {}): Log {
  const emit = (level: string, message: string, fields: Fields = {}): void => {
    const line = { time: clock.now().toISOString(), level, message, ...bound, ...fields };
    write(`${JSON.stringify(line, renderError)}\n`);
  };
  return {
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
    with: (fields) => jsonLog(write, clock, { ...bound, ...fields }),
  };
}

/** Which lines are written: these and those that matter more. */
export type LogLevel = (typeof LEVELS)[number];

/** `debug` is what `info` is: nothing here says less. */
const LEVELS = ['debug', 'info', 'warn', 'error', 'none'] as const;

/** The same log without what matters less than `least` says at the time. */
export function atLeast(log: Log, least: () => LogLevel): Log {
  const isWritten = (level: LogLevel): boolean => LEVELS.indexOf(level) >= LEVELS.indexOf(least());
  return {
    info(message, fields) {
      if (isWritten('info')) log.info(message, fields);
    },
    warn(message, fields) {
      if (isWritten('warn')) log.warn(message, fields);
    },
    error(message, fields) {
      if (isWritten('error')) log.error(message, fields);
    },
    with: (fields) => atLeast(log.with(fields), least),
  };
}

/** Drops every line: for tests that look at the world and not at the log. */
export const silentLog: Log = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLog,
};

function renderError(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return { message: value.message, stack: value.stack, cause: value.cause };
}
