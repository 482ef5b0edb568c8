import { isIPv4, isIPv6 } from 'node:net';
import { compilePattern, type Pattern } from '#base/pattern.ts';

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const HOST =
  /^([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*$/;
// Each text is read in one way only: with `ms` beside `m`, a long one could be in very many.
const DURATION = /^[-+]?(\d+(\.\d*)?\s*([nuµ]s|[smhdw])[a-z]*\s*)+$/;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

type Check = (value: string) => boolean;

/** The formats that Kubernetes checks; every other format says nothing. */
const checks: Readonly<Record<string, Check>> = {
  'date-time': (value) => DATE_TIME.test(value) && !Number.isNaN(Date.parse(value)),
  date: (value) => /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)),
  duration: (value) => DURATION.test(value),
  email: (value) => /^[^\s@<>]+@[^\s@<>]+$/.test(value),
  hostname: (value) => value.length <= 253 && HOST.test(value),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: (value) => /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(value),
  uri: (value) => URL.canParse(value),
  uuid: (value) => UUID.test(value),
  uuid3: (value) => UUID.test(value),
  uuid4: (value) => UUID.test(value),
  uuid5: (value) => UUID.test(value),
};

export function hasFormat(value: string, format: string | undefined): boolean {
  if (format === undefined || !Object.hasOwn(checks, format)) return true;
  return checks[format]?.(value) ?? true;
}

function isCidr(value: string): boolean {
  const [address = '', bits = '', more] = value.split('/');
  if (more !== undefined || !/^\d{1,3}$/.test(bits)) return false;
  return (isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128);
}

const NEVER: Pattern = { test: () => false };
const patterns = new Map<string, Pattern>();
/** More patterns than the definitions of a large cluster have. */
const PATTERNS_MAX = 10_000;

/** A schema's pattern; one that is no regular expression matches nothing. */
export function patternOf(source: string): Pattern {
  let pattern = patterns.get(source);
  if (!pattern) {
    if (patterns.size >= PATTERNS_MAX) patterns.clear();
    patterns.set(source, (pattern = compiled(source)));
  }
  return pattern;
}

function compiled(source: string): Pattern {
  try {
    return compilePattern(source);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return NEVER;
  }
}
