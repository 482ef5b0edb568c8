import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import {
  unneededRevisions,
  type GarbageConfig,
} from '#controllers/serving/revision-garbage/unneeded-revisions.ts';
import { fixture } from '#test/support/fixture.ts';

const NOW = Date.parse('2026-03-01T00:00:00Z');
const HOUR_MS = 3_600_000;

interface Old {
  readonly name: string;
  /** Hours ago. */
  readonly created: number;
  readonly lastActive?: number;
  readonly state?: string;
  readonly annotations?: Record<string, string>;
}

function revision({
  name,
  created,
  lastActive,
  state = 'reserve',
  annotations = {},
}: Old): Revision {
  const at = (hours: number): string => new Date(NOW - hours * HOUR_MS).toISOString();
  const modified = lastActive !== undefined && {
    'serving.knative.dev/routingStateModified': at(lastActive),
  };
  return fixture<Revision>(
    JSON.stringify({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Revision',
      metadata: {
        name,
        namespace: 'default',
        creationTimestamp: at(created),
        labels: { 'serving.knative.dev/routingState': state },
        annotations: { ...annotations, ...modified },
      },
      spec: { containers: [{ image: 'a' }] },
    }),
  );
}

const configuration = fixture<Configuration>(`
  apiVersion: serving.knative.dev/v1
  kind: Configuration
  metadata: { name: hello, namespace: default }
  spec: { template: { spec: { containers: [{ image: a }] } } }
  status: { latestReadyRevisionName: latest }
`);

const old = (name: string, created = 100): Old => ({ name, created });
const none: GarbageConfig = { minNonActive: 0 };
const hour: GarbageConfig = { retainSinceCreateMs: HOUR_MS, minNonActive: 0 };

interface Case {
  readonly title: string;
  readonly revisions: readonly Old[];
  readonly config?: GarbageConfig;
  readonly gone: readonly string[];
  readonly againAfterHours?: number;
}

const cases: readonly Case[] = [
  {
    title: 'twenty of them stay whatever their age',
    revisions: Array.from({ length: 20 }, (_, at) => old(`r${at}`)),
    config: defaultSettings.gc,
    gone: [],
  },
  {
    title: 'of more than twenty the one longest out of use goes',
    revisions: Array.from({ length: 21 }, (_, at) => old(`r${at}`, 100 + at)),
    config: defaultSettings.gc,
    gone: ['r20'],
  },
  {
    title: 'what is too young since it was made, or since it was in use, stays',
    revisions: [
      { name: 'young', created: 40 },
      { name: 'recent', created: 100, lastActive: 10 },
      { name: 'stale', created: 100, lastActive: 16 },
    ],
    config: { ...defaultSettings.gc, minNonActive: 0 },
    gone: ['stale'],
    againAfterHours: 5,
  },
  {
    title: 'what is in use, pending, kept or Ready last stays',
    revisions: [
      { ...old('routed'), state: 'active' },
      { ...old('pending'), state: 'pending' },
      { ...old('kept'), annotations: { 'serving.knative.dev/no-gc': 'TRUE' } },
      old('latest'),
      old('gone'),
    ],
    config: hour,
    gone: ['gone'],
  },
  {
    title: 'as many as may stay stay, of the stale ones the newest',
    revisions: [old('a', 4), old('b', 3), old('c', 2)],
    config: { ...hour, minNonActive: 2 },
    gone: ['a'],
  },
  {
    title: 'more than may be go however young',
    revisions: [old('a', 0.3), old('b', 0.2), old('c', 0.1)],
    config: { ...hour, maxNonActive: 1 },
    gone: ['a', 'b'],
    againAfterHours: 0.9,
  },
  {
    title: 'times that are disabled make none go, and none is waited for',
    revisions: [old('a'), old('b'), old('c')],
    config: { ...none, maxNonActive: 2 },
    gone: ['a'],
  },
  { title: 'all disabled: nothing goes', revisions: [old('a')], config: none, gone: [] },
];

for (const { title, revisions, config = defaultSettings.gc, gone, againAfterHours } of cases) {
  test(`unneeded revisions: ${title}`, () => {
    const found = unneededRevisions(configuration, revisions.map(revision), {
      config,
      now: new Date(NOW),
    });
    assert.deepEqual(
      found.revisions.map(({ metadata }) => metadata.name),
      gone,
    );
    assert.equal(
      found.againAfterMs,
      againAfterHours === undefined ? undefined : againAfterHours * HOUR_MS + 1,
    );
  });
}
