import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition } from '#api/meta/conditions.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import type { TrafficTarget } from '#api/serving-v1/traffic-target.ts';
import { assignTraffic, type Targets } from '#controllers/serving/route/assign-traffic.ts';

const apiVersion = 'serving.knative.dev/v1';
const ready = (status: Condition['status']): Condition[] => [{ type: 'Ready', status }];

function configuration(
  name: string,
  latest?: string,
  status: Condition['status'] = 'True',
): Configuration {
  return {
    apiVersion,
    kind: Configuration.kind,
    metadata: { name },
    spec: {},
    status: { conditions: ready(status), ...(latest && { latestReadyRevisionName: latest }) },
  };
}

function revision(name: string, status: Condition['status'] = 'True', service = 'hello'): Revision {
  const labels = service ? { 'serving.knative.dev/service': service } : {};
  return {
    apiVersion,
    kind: Revision.kind,
    metadata: { name, labels, generation: 1 },
    spec: {},
    status: { observedGeneration: 1, conditions: ready(status) },
  };
}

const configurations = [
  configuration('hello', 'r2'),
  configuration('new', undefined, 'Unknown'),
  configuration('broken', undefined, 'False'),
];
const revisions = [
  revision('r1'),
  revision('r2'),
  revision('coming', 'Unknown'),
  revision('failed', 'False'),
  revision('theirs', 'True', 'other'),
  revision('nobodys', 'True', ''),
];
const targets: Targets = {
  configurations: new Map(configurations.map((one) => [one.metadata.name ?? '', one])),
  revisions: new Map(revisions.map((one) => [one.metadata.name ?? '', one])),
};

function check(traffic: TrafficTarget[]): string[] {
  const route: Route = {
    apiVersion,
    kind: Route.kind,
    metadata: { name: 'hello', labels: { 'serving.knative.dev/service': 'hello' } },
    spec: { traffic },
  };
  const assignment = assignTraffic(route, targets);
  if ('problem' in assignment) {
    const { status, reason, message } = assignment.problem;
    return [`${status} ${reason}: ${message}`];
  }
  return assignment.targets.map(({ revisionName, percent, configuration, tag }) =>
    [
      revisionName,
      percent,
      ...(configuration ? ['latest'] : []),
      ...(tag ? [`as ${tag}`] : []),
    ].join(' '),
  );
}

for (const [traffic, ...expected] of [
  [[{ configurationName: 'hello', percent: 100 }], 'r2 100 latest'],
  [
    [
      { revisionName: 'r1', percent: 40 },
      { revisionName: 'r1', percent: 20 },
      { configurationName: 'hello', percent: 40, tag: 'new' },
    ],
    'r1 60',
    'r2 40 latest as new',
  ],
  [
    [{ configurationName: 'none', percent: 100 }],
    'False ConfigurationMissing: Configuration "none" referenced in traffic not found.',
  ],
  [
    [{ configurationName: 'new', percent: 100 }],
    'Unknown RevisionMissing: Configuration "new" is waiting for a Revision to become ready.',
  ],
  [
    [{ configurationName: 'broken', percent: 100 }],
    'False RevisionMissing: Configuration "broken" does not have any ready Revision.',
  ],
  [
    [{ revisionName: 'none', percent: 100 }],
    'False RevisionMissing: Revision "none" referenced in traffic not found.',
  ],
  [
    [{ revisionName: 'coming', percent: 100 }],
    'Unknown RevisionMissing: Revision "coming" is not yet ready.',
  ],
  [
    [{ revisionName: 'failed', percent: 100 }],
    'False RevisionMissing: Revision "failed" failed to become ready.',
  ],
  [
    [{ revisionName: 'theirs', percent: 100 }],
    'False RevisionNotOwned: Revision "theirs" belongs to Service "other", not Service "hello".',
  ],
  [
    [{ revisionName: 'nobodys', percent: 100 }],
    'False RevisionNotOwned: Revision "nobodys" does not belong to Service "hello".',
  ],
  // The last failure tells, before any that only waits.
  [
    [
      { revisionName: 'coming', percent: 30 },
      { revisionName: 'failed', percent: 30 },
      { revisionName: 'none', percent: 40 },
    ],
    'False RevisionMissing: Revision "none" referenced in traffic not found.',
  ],
] as const satisfies readonly (readonly [readonly TrafficTarget[], ...string[]])[]) {
  test(`traffic: ${expected.join(', ')}`, () => {
    assert.deepEqual(check([...traffic]), expected);
  });
}
