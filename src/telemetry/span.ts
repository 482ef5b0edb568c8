import type { Attributes } from '#telemetry/metrics.ts';

/** Something that took a while, as part of a trace. Times are milliseconds of the wall clock. */
export interface Span {
  /** 32 and 16 digits, hexadecimal in lower case. */
  readonly traceId: string;
  readonly spanId: string;
  /** Absent where the trace begins here. */
  readonly parentId: string | undefined;
  /** What others said in `tracestate`, which is kept. */
  readonly traceState: string;
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal';
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly isError: boolean;
}
