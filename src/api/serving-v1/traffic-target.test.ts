import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { complaintLines } from '#api/meta/api-error.ts';
import {
  defaultTrafficTarget,
  trafficErrors,
  type TrafficTarget,
} from '#api/serving-v1/traffic-target.ts';

const NO_LABEL =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const NO_NAME =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const names = (index: number): string =>
  `spec.traffic[${index}].configurationName, spec.traffic[${index}].revisionName`;

const rows: readonly (readonly [owner: 'Service' | 'Route', text: string, ...string[]])[] = [
  ['Service', '[{ percent: 100 }]'],
  ['Service', '[{ percent: 100, latestRevision: true, tag: a }, { revisionName: r, tag: b }]'],
  ['Route', '[{ percent: 100, configurationName: c }]'],
  ['Route', '[]', 'Traffic targets sum to 0, want 100: spec.traffic'],
  [
    'Service',
    '[{ percent: 101 }, { percent: -1 }]',
    'expected 0 <= -1 <= 100: spec.traffic[1].percent',
    'expected 0 <= 101 <= 100: spec.traffic[0].percent',
  ],
  [
    'Service',
    '[{ percent: 60 }, { percent: 60, revisionName: r }]',
    'Traffic targets sum to 120, want 100: spec.traffic',
  ],
  // Which of the two it leads to.
  [
    'Service',
    '[{ percent: 100, configurationName: "not one" }]',
    'must not set the field(s): spec.traffic[0].configurationName',
  ],
  ['Route', '[{ percent: 100 }]', `expected exactly one, got neither: ${names(0)}`],
  [
    'Route',
    '[{ percent: 100, configurationName: "not one", revisionName: r }]',
    `expected exactly one, got both: ${names(0)}`,
  ],
  [
    'Route',
    '[{ percent: 100, configurationName: "not one" }]',
    `invalid key name "not one": spec.traffic[0].configurationName\n${NO_NAME}`,
  ],
  [
    'Service',
    '[{ percent: 100, revisionName: "-r" }]',
    `invalid key name "-r": spec.traffic[0].revisionName\n${NO_NAME}`,
  ],
  [
    'Service',
    '[{ percent: 100, revisionName: r, latestRevision: true }]',
    'may not set revisionName "r" when latestRevision is true: spec.traffic[0].latestRevision',
  ],
  [
    'Route',
    '[{ percent: 100, configurationName: c, latestRevision: false }]',
    'may not set revisionName "" when latestRevision is false: spec.traffic[0].latestRevision',
  ],
  // What it is called, and what only a status says.
  [
    'Service',
    '[{ percent: 100 }, { percent: 0, tag: Next }]',
    `invalid value: not a DNS 1035 label: [${NO_LABEL}]: spec.traffic.tag[1]`,
  ],
  [
    'Service',
    `[{ percent: 100, tag: ${'x'.repeat(64)} }]`,
    'invalid value: not a DNS 1035 label: [must be no more than 63 characters]: spec.traffic.tag[0]',
  ],
  [
    'Service',
    '[{ percent: 100, tag: a }, { tag: b }, { tag: a }, { tag: a }]',
    'Multiple definitions for "a": spec.traffic[0].tag, spec.traffic[2].tag, spec.traffic[3].tag',
  ],
  [
    'Service',
    '[{ percent: 100, url: "http://x" }]',
    'must not set the field(s): spec.traffic[0].url',
  ],
];

for (const [owner, text, ...expected] of rows) {
  test(`traffic of a ${owner}: ${text} ${expected.length > 0 ? 'is refused' : 'is taken'}`, () => {
    // The test's own text is such a list.
    const targets = parse(text) as TrafficTarget[];
    for (const target of targets) defaultTrafficTarget(target);
    assert.deepEqual(complaintLines(trafficErrors(targets, owner)), expected);
  });
}

test('traffic: a target without a name of a revision follows the latest, and one without a share gets none', () => {
  const targets: TrafficTarget[] = [{}, { revisionName: 'r', percent: 5 }];
  for (const target of targets) defaultTrafficTarget(target);
  assert.deepEqual(targets, [
    { latestRevision: true, percent: 0 },
    { latestRevision: false, revisionName: 'r', percent: 5 },
  ]);
});
