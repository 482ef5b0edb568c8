/** W3C Trace Context: what `traceparent` says of who asks. */
export interface TraceParent {
  /** 32 and 16 hexadecimal digits in lower case, neither all zeros. */
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NOTHING = /^0+$/;
/** Of the flags. */
const SAMPLED = 1;

/** Undefined where it is none: then a new trace begins. */
export function parseTraceParent(text: string | undefined): TraceParent | undefined {
  const match = text === undefined ? undefined : TRACEPARENT.exec(text);
  if (!match) return undefined;
  const [, version, traceId = '', spanId = '', flags = '', more] = match;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (NOTHING.test(traceId) || NOTHING.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

export function traceParentText({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** As far as a double is exact. */
const DECIDING_DIGITS = 13;

/** OpenTelemetry's TraceIdRatioBased: everybody who sees the trace decides alike, by its last digits. */
export function isSampledAt(rate: number, traceId: string): boolean {
  const digits = traceId.slice(16, 16 + DECIDING_DIGITS);
  return Number.parseInt(digits, 16) / 16 ** DECIDING_DIGITS < rate;
}
