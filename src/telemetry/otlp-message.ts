import {
  bytes,
  double,
  embedded,
  fixed64,
  integer,
  isTrue,
  message,
  packedDoubles,
  packedFixed64,
  repeated,
  string,
} from '#base/protobuf-writer.ts';
import { type Attributes, type Family, Histogram, type Metrics } from '#telemetry/metrics.ts';
import type { Span } from '#telemetry/span.ts';
import { type Resource, resourceAttributes } from '#telemetry/resource.ts';

/*
 * OpenTelemetry's protocol 1.x (opentelemetry-proto, `ExportMetricsServiceRequest` and `ExportTraceServiceRequest`): the
 * numbers are those of the fields there.
 */

/** Since when sums were counted, and when they were read; milliseconds of the wall clock. */
export interface Period {
  readonly sinceMs: number;
  readonly nowMs: number;
}

const CUMULATIVE = 2;

export function metricsMessage(metrics: Metrics, resource: Resource, period: Period): Buffer {
  const byScope = Map.groupBy(metrics.families(), ({ instrument }) => instrument.scope);
  return message(
    embedded(
      1,
      message(
        embedded(1, resourceMessage(resource)),
        repeated(2, byScope, ([scope, families]) =>
          message(
            embedded(1, string(1, scope)),
            repeated(2, families, (family) => metricMessage(family, period)),
          ),
        ),
      ),
    ),
  );
}

export function spansMessage(spans: readonly Span[], resource: Resource, scope: string): Buffer {
  const scoped = message(embedded(1, string(1, scope)), repeated(2, spans, spanMessage));
  return message(embedded(1, message(embedded(1, resourceMessage(resource)), embedded(2, scoped))));
}

function resourceMessage(resource: Resource): Uint8Array {
  return attributesField(1, resourceAttributes(resource));
}

function metricMessage(family: Family, period: Period): Buffer {
  const { name, description, unit } = family.instrument;
  const points = pointsOf(family, period);
  return message(
    string(1, name),
    string(2, description),
    string(3, unit),
    DATA[family.type](points),
  );
}

/** Which of the kinds of data it is; only a counter is said never to go down. */
const DATA: Readonly<Record<Family['type'], (points: Uint8Array) => Uint8Array>> = {
  gauge: (points) => embedded(5, points),
  upDownCounter: (points) => embedded(7, message(points, integer(2, CUMULATIVE))),
  counter: (points) => embedded(7, message(points, integer(2, CUMULATIVE), isTrue(3, true))),
  histogram: (points) => embedded(9, message(points, integer(2, CUMULATIVE))),
};

function pointsOf(family: Family, period: Period): Uint8Array {
  return repeated(
    1,
    [...family.list()].filter((each) => each instanceof Histogram || !Number.isNaN(each.value)),
    (series) =>
      series instanceof Histogram
        ? histogramPoint(series, period)
        : message(times(period), double(4, series.value), attributesField(7, series.attributes)),
  );
}

function histogramPoint(series: Histogram, period: Period): Buffer {
  return message(
    times(period),
    fixed64(4, BigInt(series.count)),
    double(5, series.sum),
    packedFixed64(6, series.counts),
    packedDoubles(7, series.bounds),
    attributesField(9, series.attributes),
  );
}

function times({ sinceMs, nowMs }: Period): Uint8Array {
  return message(fixed64(2, nanos(sinceMs)), fixed64(3, nanos(nowMs)));
}

function spanMessage(span: Span): Buffer {
  return message(
    bytes(1, Buffer.from(span.traceId, 'hex')),
    bytes(2, Buffer.from(span.spanId, 'hex')),
    string(3, span.traceState),
    span.parentId === undefined ? message() : bytes(4, Buffer.from(span.parentId, 'hex')),
    string(5, span.name),
    integer(6, SPAN_KINDS[span.kind]),
    fixed64(7, nanos(span.startMs)),
    fixed64(8, nanos(span.endMs)),
    attributesField(9, span.attributes),
    span.isError ? embedded(15, integer(3, STATUS_ERROR)) : message(),
  );
}

const SPAN_KINDS = { internal: 1, server: 2, client: 3 } as const;
const STATUS_ERROR = 2;

function attributesField(field: number, attributes: Attributes): Uint8Array {
  return repeated(field, Object.entries(attributes), ([key, value]) =>
    message(
      string(1, key),
      embedded(2, typeof value === 'number' ? numberValue(value) : bytes(1, Buffer.from(value))),
    ),
  );
}

function numberValue(value: number): Uint8Array {
  return Number.isSafeInteger(value) && value >= 0 ? integer(3, value) : double(4, value);
}

/** What is left of a millisecond counts to the microsecond. */
function nanos(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000)) * 1_000n;
}
