import {
  coldStartStages,
  type ColdStart,
  type Stage,
  type StageHistogram,
} from '#base/cold-start.ts';
import { type Histogram, type Instrument, type Metrics, SeriesGroup } from '#telemetry/metrics.ts';
import { revisionAttributes } from '#autoscaler/revision-attributes.ts';
import type { RevisionScaler } from '#autoscaler/revision-scaler.ts';

const SCOPE = 'knative.dev/serving/pkg/autoscaler';

function instrument(name: string, unit: string, description: string): Instrument {
  return { name, unit, description, scope: SCOPE };
}

const DESIRED = instrument(
  'kn.revision.pods.desired',
  '{pod}',
  'Number of pods the autoscaler wants to allocate',
);
const EXCESS = instrument(
  'kn.revision.capacity.excess',
  '{concurrency}',
  'Excess burst capacity observed over the stable window',
);
const PANIC = instrument(
  'kn.revision.panic.mode',
  '{panic}',
  '1 if the autoscaler is in panic mode for the revision, 0 otherwise',
);
const WINDOWS = {
  stable: 'Average load over the stable window',
  panic: 'Average load over the panic window',
  target: 'The desired load for each pod',
} as const;
const LOAD_UNITS = { concurrency: '{concurrency}', rps: '{request}/s' } as const;

/** From what is hardly worth a name to what nobody waits for. */
const COLD_START_BOUNDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
const COLD_START = {
  name: 'knode.cold_start.duration',
  unit: 's',
  description:
    'How long the first request that found no pod took until its answer began, by stage; the stage total is all of it',
  scope: SCOPE,
  bounds: COLD_START_BOUNDS,
};

/** Tells what is decided for each revision, whenever that is told. */
export function meterScalers(metrics: Metrics, scalers: () => Iterable<RevisionScaler>): void {
  const observe = (
    described: Instrument,
    read: (scaler: RevisionScaler) => number | undefined,
  ): void =>
    metrics.gauge(described).observeAll(() =>
      Array.from(scalers(), (scaler) => ({
        attributes: revisionAttributes(scaler.target),
        value: read(scaler) ?? Number.NaN,
      })),
    );
  observe(DESIRED, ({ decision }) => known(decision.desired));
  observe(EXCESS, ({ decision }) => decision.excessBurstCapacity);
  observe(PANIC, ({ isPanic }) => Number(isPanic));
  for (const metric of ['concurrency', 'rps'] as const) {
    for (const [window, description] of Object.entries(WINDOWS)) {
      const name = `kn.revision.${metric}.${window}`;
      observe(instrument(name, LOAD_UNITS[metric], description), (scaler) =>
        scaler.target.settings.metric === metric ? loadOf(scaler, window) : undefined,
      );
    }
  }
}

/** Counts and times the cold starts of one revision until it is disposed. */
export class ColdStartMeter implements Disposable {
  readonly #group: SeriesGroup;
  readonly #metrics: Metrics;
  readonly #stages = new Map<Stage['name'] | 'total', Histogram>();

  constructor(metrics: Metrics, { target }: RevisionScaler) {
    this.#metrics = metrics;
    this.#group = new SeriesGroup(revisionAttributes(target));
  }

  coldStart(coldStart: ColdStart): void {
    const { arrivedMs: startMs, answeredMs: endMs } = coldStart;
    for (const { name, tookMs } of coldStartStages({ startMs, endMs }, coldStart)) {
      // The client's own part of it, which only the client knows.
      if (name !== 'request' && name !== 'response') this.#stage(name).record(tookMs / 1_000);
    }
    this.#stage('total').record((endMs - startMs) / 1_000);
  }

  [Symbol.dispose](): void {
    this.#group[Symbol.dispose]();
  }

  #stage(stage: Stage['name'] | 'total'): Histogram {
    const found =
      this.#stages.get(stage) ?? this.#group.of(this.#metrics.histogram(COLD_START), { stage });
    this.#stages.set(stage, found);
    return found;
  }
}

/** All cold starts since the process began, of the revisions that are there. */
export function coldStartHistograms(metrics: Metrics): readonly StageHistogram[] {
  return Array.from(metrics.histogram(COLD_START).kept(), (series) => {
    const { attributes, bounds, counts, count, sum: sumSeconds } = series;
    const said = (name: string): string => String(attributes[name] ?? '');
    return {
      namespace: said('k8s.namespace.name'),
      service: said('kn.service.name'),
      revision: said('kn.revision.name'),
      // Written above.
      stage: said('stage') as StageHistogram['stage'],
      bounds,
      counts: [...counts],
      count,
      sumSeconds,
    };
  });
}

/** −1: nothing is known. */
function known(desired: number): number | undefined {
  return desired < 0 ? undefined : desired;
}

function loadOf({ load, target }: RevisionScaler, window: string): number | undefined {
  if (window === 'target') return target.settings.target;
  return window === 'panic' ? load?.panic : load?.stable;
}
