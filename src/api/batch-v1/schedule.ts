import { Cron } from 'croner';
import { parseGoDuration } from '#api/meta/go-duration.ts';

/** When something is due again and again. Times are whole seconds. */
export interface Schedule {
  /** The first time after `after`; undefined where there is none, as for the 31st of February. */
  next(after: Date): Date | undefined;
  /** The last time that is later than `from` and not later than `until`. */
  last(from: Date, until: Date): Date | undefined;
}

interface Field {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  {
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];
const EVERY = '@every ';
const DESCRIPTORS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/**
 * Reads what Kubernetes takes as a CronJob's schedule: five fields, `@daily` and the like, `@every 5m`. The library knows
 * more forms (`L`, `#`, seconds), which Kubernetes refuses; so the fields are checked here, in Kubernetes' words.
 */
export function parseSchedule(text: string, timeZone = 'UTC'): Schedule | { problem: string } {
  if (text.startsWith(EVERY)) return everySchedule(text);
  const pattern = text.startsWith('@') ? DESCRIPTORS[text] : text;
  if (pattern === undefined) return { problem: `unrecognized descriptor: ${text}` };
  const fields = pattern.split(/\s+/).filter(Boolean);
  if (fields.length !== FIELDS.length) {
    return {
      problem: `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`,
    };
  }
  for (const [at, field] of FIELDS.entries()) {
    for (const part of (fields[at] ?? '').split(',').filter(Boolean)) {
      const problem = rangeProblem(part, field);
      if (problem !== undefined) return { problem };
    }
  }
  // Kubernetes passes over empty parts, which the library does not.
  const clean = fields.map((field) => field.split(',').filter(Boolean).join(',') || '*');
  const cron = new Cron(clean.join(' '), { mode: '5-part', timezone: timeZone, paused: true });
  return {
    next: (after) => cron.nextRun(after) ?? undefined,
    last(from, until) {
      // The library's reference time does not count itself; a second on, it does.
      const [last] = cron.previousRuns(1, new Date(until.getTime() + 1000));
      return last && last > from ? last : undefined;
    },
  };
}

function everySchedule(text: string): Schedule | { problem: string } {
  const duration = text.slice(EVERY.length);
  const ms = parseGoDuration(duration);
  if (ms === undefined) {
    return { problem: `failed to parse duration ${text}: time: invalid duration "${duration}"` };
  }
  const stepMs = Math.max(1000, Math.floor(ms / 1000) * 1000);
  return {
    next: (after) => new Date(Math.floor(after.getTime() / 1000) * 1000 + stepMs),
    last(from, until) {
      const startMs = Math.floor(from.getTime() / 1000) * 1000;
      const steps = Math.floor((until.getTime() - startMs) / stepMs);
      return steps > 0 ? new Date(startMs + steps * stepMs) : undefined;
    },
  };
}

/** What is wrong with one part of a field: `5`, `1-5`, a star or a range with a step. */
function rangeProblem(part: string, field: Field): string | undefined {
  const [range = '', step, ...tooMany] = part.split('/');
  if (tooMany.length > 0) return `too many slashes: ${part}`;
  const [low = '', high, ...more] = range.split('-');
  if (more.length > 0) return `too many hyphens: ${part}`;
  const isStar = low === '*' || low === '?';
  const start = isStar ? field.min : numberIn(low, field);
  const end =
    isStar || (high === undefined && step !== undefined) ? field.max : numberIn(high ?? low, field);
  const every = step === undefined ? 1 : numberIn(step, { min: 0, max: 0 });
  for (const [value, word] of [
    [start, low],
    [end, high ?? low],
    [every, step],
  ] as const) {
    if (value === undefined) {
      return `failed to parse int from ${word}: strconv.Atoi: parsing ${JSON.stringify(word)}: invalid syntax`;
    }
  }
  return boundsProblem({ start: start ?? 0, end: end ?? 0, every: every ?? 0 }, field, part);
}

function boundsProblem(
  { start, end, every }: { start: number; end: number; every: number },
  { min, max }: Field,
  part: string,
): string | undefined {
  if (start < min) return `beginning of range (${start}) below minimum (${min}): ${part}`;
  if (end > max) return `end of range (${end}) above maximum (${max}): ${part}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${part}`;
  if (every === 0) return `step of range should be a positive number: ${part}`;
  return undefined;
}

function numberIn(text: string, { min, names }: Field): number | undefined {
  const at = names?.indexOf(text.toLowerCase()) ?? -1;
  if (at >= 0) return at + min;
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
