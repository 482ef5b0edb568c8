const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration in Go's notation: `1h30m`, `6s`, `0`; undefined where it is not one. */
export function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^[-+]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  const sign = text.startsWith('-') ? -1 : 1;
  const parts = text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g);
  const ms = [...parts].reduce(
    (sum, [, n, unit]) => sum + Number(n) * (UNIT_MS[unit ?? ''] ?? 0),
    0,
  );
  return ms <= MS_MAX ? sign * ms : undefined;
}

/** Go counts nanoseconds in 64 bits: some 292 years. */
const NANOSECONDS_MAX = 2 ** 63;
const MS_MAX = NANOSECONDS_MAX / 1e6;

/** Why Go takes a text for no duration, in its words; undefined where it is one. */
export function goDurationComplaint(text: string): string | undefined {
  if (parseGoDuration(text) !== undefined) return undefined;
  const invalid = `time: invalid duration ${JSON.stringify(text)}`;
  for (let rest = text.replace(/^[-+]/, ''); rest !== '';) {
    const [part = '', number = '', unit = ''] = /^(\d*\.?\d*)([^\d.]*)/.exec(rest) ?? [];
    if (!/\d/.test(number) || Number(number) > NANOSECONDS_MAX) return invalid;
    if (unit === '') return `time: missing unit in duration ${JSON.stringify(text)}`;
    if (UNIT_MS[unit] === undefined) {
      return `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`;
    }
    rest = rest.slice(part.length);
  }
  return invalid;
}

/** As Go prints it: `1m30s`, `500ms`, `1h0m0s`, `0s`. */
export function formatGoDuration(durationMs: number): string {
  if (durationMs === 0) return '0s';
  const sign = durationMs < 0 ? '-' : '';
  const ms = Math.abs(durationMs);
  if (ms < 1) return `${sign}${Number((ms * 1_000).toFixed(3))}µs`;
  if (ms < 1_000) return `${sign}${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = Number(((ms % 60_000) / 1_000).toFixed(9));
  const inMinutes = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : '';
  return `${sign}${inMinutes}${seconds}s`;
}
