/** One line of what a scrape brought. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Scrape {
  readonly samples: readonly Sample[];
  /** By the name of the family. */
  readonly types: ReadonlyMap<string, string>;
  /** All that have the name and at least these labels. */
  find(name: string, labels?: Readonly<Record<string, string>>): readonly Sample[];
  /** Of the one that there must be. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`;
const SAMPLE = new RegExp(
  String.raw`^(${NAME})(?:\{(${LABEL}(?:,${LABEL})*)?\})? ([-+]?(?:[0-9.]+(?:e[-+]?\d+)?|Inf)|NaN)$`,
);
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.*)$`);
const ENDINGS = /_(bucket|sum|count)$/;

/** Prometheus' text format 0.0.4, and nothing that is merely like it: throws where a scrape would fail or lose something. */
export function parsePrometheusText(text: string): Scrape {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  let family = '';
  for (const line of text.split('\n').slice(0, -1)) {
    const comment = COMMENT.exec(line);
    if (comment) {
      const [, what, name = '', rest = ''] = comment;
      if (what === 'HELP') continue;
      if (types.has(name)) throw new Error(`${name} is told in two places`);
      types.set(name, rest);
      family = name;
      continue;
    }
    const sample = parseSample(line);
    const key = `${sample.name}${JSON.stringify(
      Object.entries(sample.labels)
        .map(String)
        .toSorted((a, b) => (a < b ? -1 : 1)),
    )}`;
    if (seen.has(key)) throw new Error(`told twice: ${line}`);
    seen.add(key);
    const isHistogram = types.get(family) === 'histogram';
    const base = isHistogram ? sample.name.replace(ENDINGS, '') : sample.name;
    if (base !== family) throw new Error(`${line}: not of the family ${family}`);
    samples.push(sample);
  }
  checkHistograms(samples, types);
  const find: Scrape['find'] = (name, labels = {}) =>
    samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
  return {
    samples,
    types,
    find,
    value(name, labels) {
      const found = find(name, labels);
      const [only] = found;
      if (!only || found.length > 1) {
        throw new Error(`${name} ${JSON.stringify(labels ?? {})}: ${found.length} of it`);
      }
      return only.value;
    },
  };
}

function parseSample(line: string): Sample {
  const match = SAMPLE.exec(line);
  if (!match) throw new Error(`no sample: ${line}`);
  const [, name = '', pairs = '', value = ''] = match;
  const labels = [...pairs.matchAll(new RegExp(LABEL, 'g'))].map(([pair]) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), String(JSON.parse(pair.slice(at + 1)))] as const;
  });
  if (new Set(labels.map(([label]) => label)).size < labels.length) {
    throw new Error(`a label twice: ${line}`);
  }
  return {
    name,
    labels: Object.fromEntries(labels),
    value: Number(value.replace('Inf', 'Infinity')),
  };
}

/** Buckets only grow, and the last one is all. */
function checkHistograms(samples: readonly Sample[], types: ReadonlyMap<string, string>): void {
  for (const [family, type] of types) {
    if (type !== 'histogram') continue;
    for (const { labels, value } of samples.filter(({ name }) => name === `${family}_count`)) {
      const buckets = samples.filter(
        (sample) =>
          sample.name === `${family}_bucket` &&
          Object.entries(labels).every(([label, each]) => sample.labels[label] === each),
      );
      const counts = buckets.map((bucket) => bucket.value);
      const isGrowing = counts.every((count, index) => count >= (counts[index - 1] ?? 0));
      if (!isGrowing || counts.at(-1) !== value || buckets.at(-1)?.labels['le'] !== '+Inf') {
        throw new Error(`${family}: its buckets do not add up: ${counts.join(' ')}, of ${value}`);
      }
    }
  }
}
