import { measureApi } from './api-throughput.ts';
import { measureColdStarts, startFigure } from './cold-start.ts';
import { measureReady, measureStart } from './life.ts';
import { measureMemory } from './memory.ts';
import type { Measurement } from './row.ts';

/** What `--only` chooses. */
export type Part = 'spine' | 'serving' | 'eventing';

const KUBERNETES = 'kube-apiserver + etcd';

const api: Measurement = {
  rows: [
    {
      id: 'spine.api.creates',
      measure: 'ConfigMaps of 1 KB created, 16 connections, TLS, flushed to the disk',
      unit: '/s',
      peer: KUBERNETES,
      target: { ratioAtLeast: 3 },
    },
    {
      id: 'spine.api.reads',
      measure: 'one of 100 ConfigMaps of 1 KB got, 16 connections, TLS',
      unit: '/s',
      peer: KUBERNETES,
      target: { ratioAtLeast: 2 },
    },
    {
      id: 'spine.api.watch',
      measure: 'an event of 1 KB to 1,000 watchers, five writes a second, p99',
      unit: 'ms',
      peer: KUBERNETES,
      target: { atMost: 150 },
    },
  ],
  async measure(context) {
    const figures = await measureApi(
      {
        connections: 16,
        seconds: 5,
        rounds: 3,
        watch: { watchers: 1_000, sessions: 20, writes: 30, everyMs: 200 },
      },
      context,
    );
    return {
      'spine.api.creates': figures.creates,
      'spine.api.reads': figures.reads,
      'spine.api.watch': figures.watch,
    };
  },
};

const BARE = 'bare process';
const STATIC = 'static HTTP server called from zero, fresh connection through the gateway';

const life: Measurement = {
  rows: [
    {
      id: 'spine.start',
      measure: 'second `knode up` to a ready API, median of 5',
      unit: 'ms',
      target: { atMost: 1_500 },
    },
    {
      id: 'spine.ready',
      measure: 'apply of a Service until it is Ready, image present, median of 15',
      unit: 'ms',
      target: { atMost: 150 },
    },
  ],
  measure: async (context) => ({
    'spine.start': await measureStart({ runs: 5 }, context),
    'spine.ready': await measureReady({ runs: 15 }, context),
  }),
};

const cold: Measurement = {
  rows: [
    {
      id: 'spine.cold.prepared',
      measure: `${STATIC}, prepared sandbox, no program in memory, not frozen, median of 30`,
      unit: 'ms',
      peer: BARE,
      target: { ratioAtMost: 2.5 },
    },
    {
      id: 'spine.cold.prepared.p99',
      measure: 'the same, p99',
      unit: 'ms',
      peer: BARE,
      target: { ratioAtMost: 8 },
    },
    {
      id: 'spine.cold.unprepared',
      measure: `${STATIC}, no prepared sandbox, median of 30`,
      unit: 'ms',
      peer: BARE,
      target: { ratioAtMost: 12 },
    },
    {
      id: 'spine.cold.node',
      measure: 'a small Node server called from zero, median of 30',
      unit: 'ms',
      peer: BARE,
      target: { ratioAtMost: 1.5 },
    },
  ],
  async measure(context) {
    const starts = await measureColdStarts({ services: 10, cycles: 3, restMs: 5_000 }, context);
    return {
      'spine.cold.prepared': startFigure(starts.prepared, 0.5),
      'spine.cold.prepared.p99': startFigure(starts.prepared, 0.99),
      'spine.cold.unprepared': startFigure(starts.unprepared, 0.5),
      'spine.cold.node': startFigure(starts.node, 0.5),
    };
  },
};

const memory: Measurement = {
  rows: [
    {
      id: 'spine.memory',
      measure:
        "PSS of all that `up` started and is nobody's program, 60 s after the demo's Service reached zero",
      unit: 'MB',
      target: { atMost: 200 },
    },
    {
      id: 'spine.memory.pod',
      measure: 'the same, more for each of 20 running pods',
      unit: 'MB',
      target: { atMost: 3 },
    },
  ],
  async measure(context) {
    const { rest, pod } = await measureMemory({ restMs: 60_000, pods: 20 }, context);
    return { 'spine.memory': rest, 'spine.memory.pod': pod };
  },
};

/** All that is measured. */
export const measurements: Readonly<Record<Part, readonly Measurement[]>> = {
  spine: [api, life, cold, memory],
  serving: [],
  eventing: [],
};
