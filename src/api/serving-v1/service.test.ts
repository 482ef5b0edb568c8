import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import type { AdmissionContext, Kind } from '#api/kind.ts';
import { complaintLines } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';

/** An object as the API server would have parsed and defaulted it. */
function defaulted<T extends KubeObject>(
  kind: Kind<T>,
  text: string,
  context: AdmissionContext<T> = { operation: 'CREATE', username: 'ann' },
): T {
  // The test's own text is of the kind.
  const object = parse(text) as T;
  object.metadata ??= {};
  object.metadata.name ??= 'hello';
  kind.default?.(object, context);
  return object;
}

const hello = `
metadata: { name: hello }
spec:
  template:
    spec:
      containers: [{ image: i }]
`;

test('service: defaults what the author left out', () => {
  const service = defaulted(Service, hello);
  assert.deepEqual(service.metadata.annotations, {
    'serving.knative.dev/creator': 'ann',
    'serving.knative.dev/lastModifier': 'ann',
  });
  assert.deepEqual(service.spec, {
    template: {
      spec: {
        containers: [
          {
            image: 'i',
            name: 'user-container',
            readinessProbe: { tcpSocket: { port: 0 }, successThreshold: 1 },
          },
        ],
        timeoutSeconds: 300,
        containerConcurrency: 0,
        enableServiceLinks: false,
      },
    },
    traffic: [{ latestRevision: true, percent: 100 }],
  });
});

test('service: defaulting twice changes nothing', () => {
  const service = defaulted(Service, hello);
  const again = structuredClone(service);
  const previous = structuredClone(service);
  Service.default?.(again, { operation: 'UPDATE', username: 'bob', previous });
  assert.deepEqual(again, service);
});

test('service: who made one that something owns is recorded too', () => {
  const owner = '{ apiVersion: example.com/v1, kind: App, name: app, uid: u }';
  const owned = hello.replace('name: hello', `name: hello, ownerReferences: [${owner}]`);
  const { metadata } = defaulted(Service, owned);
  assert.equal(metadata.annotations?.['serving.knative.dev/creator'], 'ann');
});

test('service: lastModifier is who changed the spec', () => {
  const previous = defaulted(Service, hello);
  const next = structuredClone(previous);
  next.spec.template = { spec: { containers: [{ image: 'j' }] } };
  Service.default?.(next, { operation: 'UPDATE', username: 'bob', previous });
  assert.deepEqual(next.metadata.annotations, {
    'serving.knative.dev/creator': 'ann',
    'serving.knative.dev/lastModifier': 'bob',
  });
});

test('service: a named template that keeps its name is left as it is', () => {
  const named = hello.replace('    spec:', '    metadata: { name: hello-v1 }\n    spec:');
  const previous = defaulted(Service, named);
  const next = defaulted(Service, named, { operation: 'UPDATE', username: 'bob', previous });
  assert.deepEqual(next.spec.template?.spec, { containers: [{ image: 'i' }] });
});

test('revision: names several containers and probes only the one that serves', () => {
  const revision = defaulted(
    Revision,
    `spec: { timeoutSeconds: 500, containers: [{ image: a, ports: [{ containerPort: 80 }] }, { image: b }] }`,
  );
  assert.deepEqual(revision.spec.containers, [
    {
      image: 'a',
      name: 'user-container-0',
      ports: [{ containerPort: 80 }],
      readinessProbe: { tcpSocket: { port: 0 }, successThreshold: 1 },
    },
    { image: 'b', name: 'user-container-1' },
  ]);
  assert.equal(revision.spec.responseStartTimeoutSeconds, 300);
});

/** Errors as a reader sees them: `message: path`, and the details below. */
function errorsOf<T extends KubeObject>(kind: Kind<T>, text: string, previous?: string): string[] {
  const context: AdmissionContext<T> = previous
    ? { operation: 'UPDATE', username: 'ann', previous: defaulted(kind, previous) }
    : { operation: 'CREATE', username: 'ann' };
  const object = defaulted(kind, text, context);
  // What the author does not mention stays, as after kubectl apply.
  object.metadata.annotations = {
    ...context.previous?.metadata.annotations,
    ...object.metadata.annotations,
  };
  return (kind.validate?.(object, context) ?? []).map(
    ({ message, path, details }) => `${message}: ${path}${details ? `\n${details}` : ''}`,
  );
}

const withTemplate = (spec: string, metadata = '{}'): string =>
  `{ metadata: { name: hello }, spec: { template: { metadata: ${metadata}, spec: ${spec} } } }`;
const withContainer = (container: string): string => withTemplate(`{ containers: [${container}] }`);
const withAnnotation = (annotation: string): string =>
  withTemplate('{ containers: [{ image: i }] }', `{ annotations: { ${annotation} } }`);
const at = 'spec.template.spec';
const annotationsAt = 'spec.template.metadata.annotations.autoscaling.knative.dev';

for (const [text, ...expected] of [
  [hello],
  [withTemplate('{}'), `missing field(s): ${at}.containers`],
  [withContainer('{}'), `missing field(s): ${at}.containers[0].image`],
  [
    withTemplate('{ containers: [{ image: i }], timeoutSeconds: 601 }'),
    `expected 0 <= 601 <= 600: ${at}.timeoutSeconds`,
  ],
  [
    withTemplate('{ containers: [{ image: i }], containerConcurrency: 1001 }'),
    `expected 0 <= 1001 <= 1000: ${at}.containerConcurrency`,
  ],
  [
    withContainer('{ image: i, env: [{ name: PORT, value: "1" }] }'),
    `"PORT" is a reserved environment variable: ${at}.containers[0].env[0].name`,
  ],
  [
    withContainer('{ image: i, ports: [{ containerPort: 8012 }] }'),
    `invalid value: 8012 is a reserved port: ${at}.containers[0].ports.containerPort\n8012 is a reserved port, please use a different value`,
  ],
  [
    withContainer('{ image: i, ports: [{ containerPort: 1 }, { containerPort: 2 }] }'),
    `more than one container port is set: ${at}.containers[*].ports\nOnly a single port is allowed across all containers`,
  ],
  [
    withTemplate('{ containers: [{ image: i }, { image: j }] }'),
    `missing field(s): ${at}.containers[*].ports`,
  ],
  [
    withTemplate('{ containers: [{ image: i }] }', '{ name: other-v1 }'),
    'invalid value: "other-v1" must have prefix "hello-": spec.template.metadata.name',
  ],
  [
    withAnnotation('autoscaling.knative.dev/min-scale: "-1"'),
    `expected 0 <= -1 <= 2147483647: ${annotationsAt}/min-scale`,
  ],
  [
    withAnnotation(
      'autoscaling.knative.dev/min-scale: "2", autoscaling.knative.dev/max-scale: "1"',
    ),
    `max-scale=1 is less than min-scale=2: ${annotationsAt}/max-scale, ${annotationsAt}/min-scale`,
  ],
  [
    withAnnotation('autoscaling.knative.dev/window: 5s'),
    `expected 6s <= 5s <= 1h0m0s: ${annotationsAt}/window`,
  ],
  [
    withAnnotation('autoscaling.knative.dev/initial-scale: "0"'),
    `invalid value: 0: ${annotationsAt}/initial-scale=0 not allowed by cluster`,
  ],
  [
    withAnnotation('autoscaling.knative.dev/class: x.knative.dev'),
    `invalid value: x.knative.dev: ${annotationsAt}/class`,
  ],
  [
    hello.replace('}', ', annotations: { autoscaling.knative.dev/min-scale: "1" } }'),
    'invalid key name "autoscaling.knative.dev/min-scale": metadata.annotations\nautoscaling annotations must be put under "spec.template.metadata.annotations" to work',
  ],
  [
    `${hello}  traffic: [{ percent: 50, tag: a }, { percent: 40, tag: a }]`,
    'Traffic targets sum to 90, want 100: spec.traffic',
    'Multiple definitions for "a": spec.traffic[0].tag, spec.traffic[1].tag',
  ],
  [
    `${hello}  traffic: [{ percent: 100, configurationName: c }]`,
    'must not set the field(s): spec.traffic[0].configurationName',
  ],
  [
    `${hello}  traffic: [{ percent: 100, revisionName: r, latestRevision: true }]`,
    'may not set revisionName "r" when latestRevision is true: spec.traffic[0].latestRevision',
  ],
] as const) {
  test(`service: says ${expected.join('; ') || 'nothing of a good one'}`, () => {
    assert.deepEqual(errorsOf(Service, text), expected);
  });
}

test('service: a changed template needs a new name where it has one', () => {
  const previous = defaulted(
    Service,
    withTemplate('{ containers: [{ image: i }] }', '{ name: hello-v1 }'),
  );
  const changed = structuredClone(previous);
  const [container] = changed.spec.template?.spec?.containers ?? [];
  assert.ok(container);
  container.image = 'j';
  const context = { operation: 'UPDATE', username: 'ann', previous } as const;
  const complaints = complaintLines(Service.validate?.(changed, context) ?? []);
  assert.deepEqual(complaints, [
    'Saw the following changes without a name change (-old +new): spec.template.metadata.name\n{*v1.RevisionTemplateSpec}.Spec.PodSpec.Containers[0].Image:\n\t-: "i"\n\t+: "j"\n',
  ]);
});

test('service: the creator cannot be changed', () => {
  const claimed = hello.replace('}', ', annotations: { serving.knative.dev/creator: eve } }');
  assert.deepEqual(errorsOf(Service, claimed, hello), [
    'annotation value is immutable: metadata.annotations.serving.knative.dev/creator',
  ]);
});

test('revision: the spec is immutable, the metadata is not', () => {
  const revision = (image: string, annotations = '{}'): string =>
    `{ metadata: { name: r, annotations: ${annotations} }, spec: { containers: [{ image: ${image}, name: c, readinessProbe: { tcpSocket: { port: 0 }, successThreshold: 1 } }], timeoutSeconds: 300, containerConcurrency: 0, enableServiceLinks: false } }`;
  assert.deepEqual(errorsOf(Revision, revision('j'), revision('i')), [
    'Immutable fields changed (-old +new): spec\n{v1.RevisionSpec}.PodSpec.Containers[0].Image:\n\t-: "i"\n\t+: "j"\n',
  ]);
  const annotated = revision('i', '{ autoscaling.knative.dev/min-scale: "1" }');
  assert.deepEqual(errorsOf(Revision, annotated, revision('i')), []);
});

test('route: needs one of two names', () => {
  assert.deepEqual(errorsOf(Route, '{ spec: { traffic: [{ percent: 100 }] } }'), [
    'expected exactly one, got neither: spec.traffic[0].configurationName, spec.traffic[0].revisionName',
  ]);
  assert.deepEqual(
    errorsOf(Route, '{ spec: { traffic: [{ percent: 100, configurationName: c }] } }'),
    [],
  );
});

test('configuration: defaults its template as a service does', () => {
  const { template } = defaulted(Configuration, hello).spec;
  assert.deepEqual(template, defaulted(Service, hello).spec.template);
});
