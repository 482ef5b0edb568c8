/** What tells the series of one instrument apart; told in this order. */
export type Attributes = Readonly<Record<string, string | number>>;

/** What is measured, in OpenTelemetry's terms; Prometheus' names are derived from it. */
export interface Instrument {
  /** With dots: `kn.workqueue.depth`. */
  readonly name: string;
  /** UCUM: `s`, `By`, `{request}`; empty where there is none. */
  readonly unit: string;
  readonly description: string;
  /** Which part of the program measures. */
  readonly scope: string;
}

export interface HistogramInstrument extends Instrument {
  /** Upper bounds of the buckets, included, ascending; what is above all of them is counted too. */
  readonly bounds: readonly number[];
}

/** OpenTelemetry's advice for durations in seconds. */
export const SECONDS_BOUNDS = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
] as const;

/** Only grows. */
export class Counter {
  readonly attributes: Attributes;
  /** Where somebody else counts: what is told instead. */
  observe: (() => number) | undefined;
  #value = 0;

  constructor(attributes: Attributes) {
    this.attributes = attributes;
  }

  get value(): number {
    return this.observe?.() ?? this.#value;
  }

  add(amount = 1): void {
    this.#value += amount;
  }
}

/** Goes up and down: set where it changes, or asked for whenever it is told. */
export class Gauge {
  readonly attributes: Attributes;
  /** Instead of `value`, where there is one. NaN: not known now, and not told. */
  observe: (() => number) | undefined;
  #value = 0;

  constructor(attributes: Attributes) {
    this.attributes = attributes;
  }

  get value(): number {
    return this.observe?.() ?? this.#value;
  }

  set(value: number): void {
    this.#value = value;
  }
}

/** How often a value fell between which bounds. */
export class Histogram {
  readonly attributes: Attributes;
  readonly bounds: readonly number[];
  /** One for each bound and one for what is above; not cumulative. */
  readonly counts: Float64Array;
  count = 0;
  sum = 0;

  constructor(attributes: Attributes, bounds: readonly number[]) {
    this.attributes = attributes;
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    const { bounds, counts } = this;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] ?? 0)) index += 1;
    counts[index] = (counts[index] ?? 0) + 1;
    this.count += 1;
    this.sum += value;
  }
}

type Series = Counter | Gauge | Histogram;

/** A value at the moment of telling. */
export interface Point {
  readonly attributes: Attributes;
  /** NaN: not known now, and not told. */
  readonly value: number;
}

/** All series of one instrument. Recording is for whoever keeps what `of` returns: it costs no look-up and no memory. */
export class Family<S extends Series = Series> {
  readonly instrument: Instrument;
  readonly type: 'counter' | 'upDownCounter' | 'gauge' | 'histogram';
  readonly #make: (attributes: Attributes) => S;
  readonly #series = new Map<string, S>();
  readonly #observers: (() => Iterable<Point>)[] = [];

  constructor(instrument: Instrument, type: Family['type'], make: (attributes: Attributes) => S) {
    this.instrument = instrument;
    this.type = type;
    this.#make = make;
  }

  /** The same one for the same attributes. */
  of(attributes: Attributes): S {
    const key = JSON.stringify(attributes);
    const found = this.#series.get(key) ?? this.#make(attributes);
    this.#series.set(key, found);
    return found;
  }

  /** It is told no more. */
  drop(series: S): void {
    this.#series.delete(JSON.stringify(series.attributes));
  }

  /** Of what is many: nothing is kept for each of them, they are asked for whenever it is told. */
  observeAll(observe: () => Iterable<Point>): void {
    this.#observers.push(observe);
  }

  *list(): Iterable<S | Point> {
    yield* this.#series.values();
    for (const observe of this.#observers) yield* observe();
  }

  /** Those that are kept. */
  kept(): Iterable<S> {
    return this.#series.values();
  }
}

/** What one process measures. Instruments of one name are one, whoever asks for them first describes them. */
export class Metrics {
  readonly #families = new Map<string, Family>();

  counter(instrument: Instrument): Family<Counter> {
    return this.#family(instrument, 'counter', (attributes) => new Counter(attributes));
  }

  gauge(instrument: Instrument): Family<Gauge> {
    return this.#family(instrument, 'gauge', (attributes) => new Gauge(attributes));
  }

  /** A gauge whose series may be added up. */
  upDownCounter(instrument: Instrument): Family<Gauge> {
    return this.#family(instrument, 'upDownCounter', (attributes) => new Gauge(attributes));
  }

  histogram(instrument: HistogramInstrument): Family<Histogram> {
    const { bounds } = instrument;
    return this.#family(instrument, 'histogram', (attributes) => new Histogram(attributes, bounds));
  }

  /** In the order they were asked for. */
  families(): Iterable<Family> {
    return this.#families.values();
  }

  #family<S extends Series>(
    instrument: Instrument,
    type: Family['type'],
    make: (attributes: Attributes) => S,
  ): Family<S> {
    const found = this.#families.get(instrument.name);
    if (found && found.type !== type) {
      throw new TypeError(`${instrument.name} is a ${found.type} already, and cannot be a ${type}`);
    }
    const family = found ?? new Family(instrument, type, make);
    this.#families.set(instrument.name, family);
    // Of one type all series are of one class, which was just looked at.
    return family as Family<S>;
  }
}

/** Series that come and go together, as those of a revision do. */
export class SeriesGroup implements Disposable {
  readonly attributes: Attributes;
  /** By series, what ends its being told. */
  readonly #drops = new Map<Series, () => void>();

  constructor(attributes: Attributes) {
    this.attributes = attributes;
  }

  /** With the group's attributes and `more`. */
  of<S extends Series>(family: Family<S>, more: Attributes = {}): S {
    const series = family.of({ ...this.attributes, ...more });
    if (!this.#drops.has(series)) this.#drops.set(series, () => family.drop(series));
    return series;
  }

  /** None of them is told any more. */
  [Symbol.dispose](): void {
    for (const drop of this.#drops.values()) drop();
    this.#drops.clear();
  }
}
