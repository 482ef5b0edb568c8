import { measureApi } from './api-throughput.ts';
import { measureColdBurst } from './cold-burst.ts';
import { measureColdStarts, startFigure } from './cold-start.ts';
import { measureReady, measureStart } from './life.ts';
import { measureMemory } from './memory.ts';
import type { Measurement } from './row.ts';
import { measureWarm } from './warm.ts';

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

const ENVOY = 'Envoy 1.40, one worker';

const warm: Measurement = {
  rows: [
    {
      id: 'serving.warm.rps',
      measure: 'one running pod of a static HTTP server, 32 connections, one gateway worker',
      unit: '/s',
      peer: ENVOY,
      target: { ratioAtLeast: 1 },
    },
    {
      id: 'serving.warm.rps.direct',
      measure: 'the same, beside calls to the pod itself',
      unit: '/s',
      peer: 'direct',
      target: { ratioAtLeast: 0.4 },
    },
    {
      id: 'serving.warm.overhead',
      measure:
        'the same at 3,000 requests a second that come whether others are answered or not: p95 from when each was due, beyond direct calls',
      unit: 'ms',
      peer: ENVOY,
      target: { atMost: 3 },
    },
  ],
  async measure(context) {
    const figures = await measureWarm(
      {
        rounds: 3,
        closed: { connections: 32, seconds: 5 },
        open: { perSecond: 3_000, seconds: 5, connections: 32 },
      },
      context,
    );
    return {
      'serving.warm.rps': figures.throughput,
      'serving.warm.rps.direct': figures.share,
      'serving.warm.overhead': figures.overhead,
    };
  },
};

const burst: Measurement = {
  rows: [
    {
      id: 'serving.cold.25',
      measure:
        '25 Services at zero, prepared, called at once, static HTTP server, p95 of 75, no error',
      unit: 'ms',
      target: { atMost: 300 },
    },
  ],
  measure: async (context) => ({
    'serving.cold.25': await measureColdBurst({ services: 25, cycles: 3, restMs: 5_000 }, context),
  }),
};

/** All that is measured. */
export const measurements: Readonly<Record<Part, readonly Measurement[]>> = {
  spine: [api, life, cold, memory],
  serving: [warm, burst],
  eventing: [],
};
