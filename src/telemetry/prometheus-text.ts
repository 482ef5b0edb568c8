import type { Attributes, Family, Instrument, Metrics } from '#telemetry/metrics.ts';
import { Histogram } from '#telemetry/metrics.ts';
import { type Resource, resourceAttributes } from '#telemetry/resource.ts';

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Prometheus' text format 0.0.4. Names as OpenTelemetry's translation makes them: dots become underscores, the unit and
 * `_total` are appended.
 */
export function prometheusText(metrics: Metrics, resource: Resource): string {
  const info = labelsText(resourceAttributes(resource));
  let text = `# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info${info} 1\n`;
  for (const family of metrics.families()) text += familyText(family);
  return text;
}

function familyText(family: Family): string {
  const { instrument, type } = family;
  const name = prometheusName(instrument, type);
  const scope = `otel_scope_name=${quoted(instrument.scope)}`;
  let lines = '';
  for (const series of family.list()) {
    const labels = [...labelPairs(series.attributes), scope];
    if (series instanceof Histogram) lines += histogramLines(name, series, labels);
    else if (!Number.isNaN(series.value)) {
      lines += `${name}{${labels.join(',')}} ${numberText(series.value)}\n`;
    }
  }
  if (lines === '') return '';
  const shown = type === 'upDownCounter' ? 'gauge' : type;
  return `# HELP ${name} ${helpText(instrument.description)}\n# TYPE ${name} ${shown}\n${lines}`;
}

function histogramLines(name: string, series: Histogram, labels: readonly string[]): string {
  const { bounds, counts, count, sum } = series;
  let lines = '';
  let below = 0;
  for (let index = 0; index <= bounds.length; index += 1) {
    below += counts[index] ?? 0;
    const bound = bounds[index];
    const le = bound === undefined ? '+Inf' : numberText(bound);
    lines += `${name}_bucket{${[...labels, `le="${le}"`].join(',')}} ${below}\n`;
  }
  const all = labels.join(',');
  return `${lines}${name}_sum{${all}} ${numberText(sum)}\n${name}_count{${all}} ${count}\n`;
}

/** Of UCUM's units those that have a word in Prometheus. */
const UNIT_WORDS: Readonly<Record<string, string>> = {
  s: 'seconds',
  ms: 'milliseconds',
  By: 'bytes',
  '1': 'ratio',
};

function prometheusName({ name, unit }: Instrument, type: Family['type']): string {
  const parts = [name.replaceAll(/[^A-Za-z0-9_:]+/g, '_')];
  const word = unit.endsWith('/s') ? 'per_second' : UNIT_WORDS[unit];
  if (word !== undefined && !parts[0]?.endsWith(`_${word}`)) parts.push(word);
  if (type === 'counter' && !name.endsWith('total')) parts.push('total');
  return parts.join('_');
}

function labelsText(attributes: Attributes): string {
  return `{${labelPairs(attributes).join(',')}}`;
}

function labelPairs(attributes: Attributes): string[] {
  return Object.entries(attributes).map(
    ([name, value]) => `${name.replaceAll(/[^A-Za-z0-9_]/g, '_')}=${quoted(String(value))}`,
  );
}

function quoted(value: string): string {
  return `"${helpText(value).replaceAll('"', String.raw`\"`)}"`;
}

function helpText(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`);
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
