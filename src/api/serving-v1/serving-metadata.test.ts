import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { Kind } from '#api/kind.ts';
import { complaintLines } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';

const SERVING = 'serving.knative.dev';
const TEMPLATE = 'spec.template.metadata';
const PERCENTAGE = 'queue.sidecar.serving.knative.dev/resource-percentage';
const NO_LABEL =
  "[a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')]";

const container = 'containers: [{ image: i }]';
const configured = `spec: { template: { spec: { ${container} } } }`;
const routed = 'spec: { traffic: [{ configurationName: hello, percent: 100 }] }';
const owner = (kind: string): string =>
  `ownerReferences: [{ apiVersion: ${SERVING}/v1, kind: ${kind}, name: hello, uid: u }]`;

function complaintsOf<T extends KubeObject>(kind: Kind<T>, text: string): string[] {
  // The test's own text is one, and who made it is of no interest here.
  const object = parse(text) as T;
  const context = { operation: 'CREATE', username: 'ann' } as const;
  kind.default?.(object, context);
  return complaintLines(kind.validate?.(object, context) ?? []);
}

function check<T extends KubeObject>(kind: Kind<T>, text: string, expected: string[]): void {
  test(`${kind.kind}: ${expected.join('; ').slice(0, 100) || 'takes'}: ${text}`, () => {
    assert.deepEqual(complaintsOf(kind, text), expected);
  });
}

for (const [metadata, ...expected] of [
  ['name: hello'],
  ['name: Hello', `not a DNS 1035 label: ${NO_LABEL}: metadata.name`],
  ['generateName: hello-'],
  ['generateName: h_', `not a DNS 1035 label prefix: ${NO_LABEL}: metadata.generateName`],
  // Of two that are wrong the first is told.
  [
    'generateName: h_, name: Hello',
    `not a DNS 1035 label prefix: ${NO_LABEL}: metadata.generateName`,
  ],
  ['namespace: default', 'name or generateName is required: metadata.name'],
  // A label that names an owner is for what the owner has made.
  [
    `name: hello, labels: { ${SERVING}/service: hello }`,
    `missing field(s): metadata.labels.${SERVING}/service`,
  ],
  [`name: hello, labels: { ${SERVING}/service: hello }, ${owner('Service')}`],
  [
    `name: hello, labels: { ${SERVING}/service: other }, ${owner('Service')}`,
    `missing field(s): metadata.labels.${SERVING}/service`,
  ],
  [
    `name: hello, labels: { ${SERVING}/service: hello }, ${owner('Route')}`,
    `missing field(s): metadata.labels.${SERVING}/service`,
  ],
  [
    `name: hello, ${owner('Service')}, annotations: { autoscaling.knative.dev/window: 1m }`,
    'invalid key name "autoscaling.knative.dev/window": metadata.annotations\nautoscaling annotations must be put under "spec.template.metadata.annotations" to work',
  ],
  [`name: hello, annotations: { networking.knative.dev/anything: x }`],
] as const) {
  check(Configuration, `{ metadata: { ${metadata} }, ${configured} }`, [...expected]);
  check(Route, `{ metadata: { ${metadata} }, ${routed} }`, [...expected]);
}

for (const [value, ...expected] of [
  ['10s'],
  ['""'],
  ['0s'],
  ['1d', 'invalid value: 1d: metadata.annotations'],
  ['"10"', 'invalid value: 10: metadata.annotations'],
  ['1500ms', 'rollout-duration=1500ms is not at second precision: metadata.annotations'],
  ['-1s', 'rollout-duration=-1s must be positive: metadata.annotations'],
] as const) {
  for (const spelling of ['rollout-duration', 'rolloutDuration']) {
    const key = `${SERVING}/${spelling}`;
    const text = `{ metadata: { name: hello, annotations: { ${key}: ${value} } }, `;
    const lines = expected.map((line) => `${line}.${key}`);
    check(Service, `${text}${configured} }`, lines);
    check(Route, `${text}${routed} }`, lines);
  }
}

/** What only a template may say, and how. */
for (const [annotations, ...expected] of [
  ['networking.knative.dev/ingress-class: x, networking.knative.dev/httpOption: x'],
  [
    'networking.knative.dev/visibility: cluster-local',
    `invalid key name "networking.knative.dev/visibility": ${TEMPLATE}.annotations`,
  ],
  [
    'networking.knative.dev/httpProtocol: Redirected, networking.knative.dev.x: y',
    `invalid key name "networking.knative.dev.x": ${TEMPLATE}.annotations`,
    `invalid key name "networking.knative.dev/httpProtocol": ${TEMPLATE}.annotations`,
  ],
  [`${SERVING}/progress-deadline: 1m`],
  [
    `${SERVING}/progress-deadline: soon`,
    `invalid value: soon: ${TEMPLATE}.annotations.${SERVING}/progress-deadline`,
  ],
  [
    `${SERVING}/progress-deadline: 1.5s`,
    `progress-deadline=1.5s is not at second precision: ${TEMPLATE}.annotations.${SERVING}/progress-deadline`,
  ],
  [
    `${SERVING}/progress-deadline: -1s`,
    `progress-deadline=-1s must be positive: ${TEMPLATE}.annotations.${SERVING}/progress-deadline`,
  ],
  [`${PERCENTAGE}: "50"`],
  [`${PERCENTAGE}: much`, `invalid value: much: ${TEMPLATE}.annotations.[${PERCENTAGE}]`],
  [`${PERCENTAGE}: "0.01"`, `expected 0.1 <= 0.01 <= 100: ${TEMPLATE}.annotations.[${PERCENTAGE}]`],
  [
    'queue.sidecar.serving.knative.dev/memory-resource-limit: 1gi',
    `invalid value: 1gi: ${TEMPLATE}.annotations.[queue.sidecar.serving.knative.dev/memory-resource-limit]`,
  ],
] as const) {
  const metadata = `metadata: { annotations: { ${annotations} } }`;
  const text = `{ metadata: { name: hello }, spec: { template: { ${metadata}, spec: { ${container} } } } }`;
  check(Service, text, [...expected]);
  // A Revision is asked for its scale alone.
  check(
    Revision,
    `{ metadata: { name: r, annotations: { ${annotations} } }, spec: { ${container} } }`,
    [],
  );
}

test('template: a share for the sidecar is told to be of the past, at no path', () => {
  const metadata = `metadata: { annotations: { ${PERCENTAGE}: "50" } }`;
  const text = `{ metadata: { name: hello }, spec: { template: { ${metadata}, spec: { ${container} } } } }`;
  const context = { operation: 'CREATE', username: 'ann' } as const;
  const service = parse(text) as Service;
  Service.default?.(service, context);
  assert.match(
    Service.warnings?.(service, context).at(-1) ?? '',
    /^Queue proxy resource percentage annotation is deprecated\..+ per service: $/,
  );
});

/** Names of revisions that their authors bring. */
for (const [metadata, template, ...expected] of [
  ['name: hello', 'name: hello-one'],
  ['name: hello', 'name: one', `invalid value: "one" must have prefix "hello-": ${TEMPLATE}.name`],
  [
    'name: hello',
    'name: hello_one',
    `invalid value: not a DNS 1035 label: ${NO_LABEL}: ${TEMPLATE}.name`,
  ],
  ['generateName: hello-', 'name: hello-one', `must not set the field(s): ${TEMPLATE}.name`],
  [
    'name: hello',
    'generateName: H_',
    `invalid value: not a DNS 1035 label prefix: ${NO_LABEL}: ${TEMPLATE}.generateName`,
  ],
] as const) {
  const text = `{ metadata: { ${metadata} }, spec: { template: { metadata: { ${template} }, spec: { ${container} } } } }`;
  check(Configuration, text, [...expected]);
}
