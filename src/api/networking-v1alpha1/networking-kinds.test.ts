import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Metric } from '#api/autoscaling-v1alpha1/metric.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { Kind } from '#api/kind.ts';
import { complaintLines } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { DomainMapping } from '#api/serving-v1beta1/domain-mapping.ts';

const context = { operation: 'CREATE', username: 'ann' } as const;

/** As its schema lets it pass; the test's own text is one. */
function defaulted<T extends KubeObject>(kind: Kind<T>, text: string): T {
  const object = parse(text) as T;
  object.metadata = { name: 'hello', namespace: 'a', ...object.metadata };
  kind.default?.(object, context);
  return object;
}

function check<T extends KubeObject>(kind: Kind<T>, text: string, ...expected: string[]): void {
  test(`${kind.kind}: ${expected.join('; ').slice(0, 100) || 'takes'}: ${text}`, () => {
    const errors = kind.validate?.(defaulted(kind, text), context) ?? [];
    assert.deepEqual(complaintLines(errors), expected);
  });
}

const split = (more = ''): string =>
  `{ serviceName: s, serviceNamespace: a, servicePort: 80${more} }`;
const paths = (...splits: string[]): string =>
  `{ spec: { rules: [{ hosts: [x], http: { paths: [{ splits: [${splits.join(', ')}] }] } }] } }`;
const at = 'spec.rules[0].http.paths[0].splits';

check(Ingress, paths(split()));
check(Ingress, paths(split(', percent: 40'), split(', percent: 60')));
check(
  Ingress,
  paths(split(', percent: 40'), split()),
  `traffic split percentage must total to 100, but was 40: ${at}`,
);
check(
  Ingress,
  paths(split(', percent: 1'), '{}', split(', percent: 200')),
  `missing field(s): ${at}[1]`,
);
check(
  Ingress,
  paths('{ serviceNamespace: b, percent: -1, servicePort: 0 }'),
  `invalid value: -1: ${at}[0].percent`,
  `missing field(s): ${at}[0].serviceName, ${at}[0].servicePort`,
  `service namespace must match ingress namespace: ${at}[0].serviceNamespace`,
);
check(
  Ingress,
  '{ spec: { rules: [{ http: { paths: [{ path: /x, splits: [] }] } }] } }',
  `missing field(s): ${at}`,
);
check(Ingress, '{ spec: { tls: [], rules: [] } }', 'missing field(s): spec');
check(
  Ingress,
  paths(split()).replace('{ spec: {', '{ spec: { tls: [{ secretName: s }, {}],'),
  'missing field(s): spec.tls[0].secretNamespace, spec.tls[1]',
);
check(
  Ingress,
  paths(split()).replace('{ spec: {', '{ spec: { httpOption: redirected,'),
  'invalid value: redirected: spec.httpOption',
);

test('Ingress: a rule is for everybody, and a lone split has all, unless they say otherwise', () => {
  const text = `{ spec: { rules: [{ http: { paths: [{ splits: [${split()}] }, { splits: [${split(', percent: 7')}] }, { splits: [${split()}, ${split()}] }] } }, { visibility: ClusterLocal }] } }`;
  const { rules = [] } = defaulted(Ingress, text).spec;
  assert.deepEqual(
    rules.map(({ visibility }) => visibility),
    ['ExternalIP', 'ClusterLocal'],
  );
  assert.deepEqual(
    rules[0]?.http?.paths.map(({ splits }) => splits.map(({ percent }) => percent)),
    [[100], [7], [undefined, undefined]],
  );
});

check(Certificate, '{ spec: { dnsNames: [a.b, c.d], secretName: s, domain: b } }');
check(Certificate, '{ spec: { dnsNames: [b], secretName: s, domain: b } }');
check(
  Certificate,
  '{ spec: { dnsNames: [ab], secretName: s, domain: b } }',
  'invalid value: domain: spec.domain must be a suffix of, or match exactly, at least one entry in dnsNames',
);
check(Certificate, '{ spec: { domain: b } }', 'missing field(s): spec.dnsNames, spec.secretName');

const target = '{ apiVersion: apps/v1, kind: Deployment, name: d }';
check(
  ServerlessService,
  `{ spec: { mode: Proxy, protocolType: h2c, numActivators: 2, objectRef: ${target} } }`,
);
check(ServerlessService, '{ spec: { objectRef: {}, protocolType: "" } }', 'missing field(s): spec');
check(
  ServerlessService,
  `{ metadata: { annotations: { networking.knative.dev/x: y } }, spec: { mode: Serve, protocolType: grpc, objectRef: { apiVersion: a b, kind: 1st, name: D_1, uid: u } } }`,
  'invalid key name "networking.knative.dev/x": annotations',
  "invalid value: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'): spec.objectRef.name",
  "invalid value: a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*'): spec.objectRef.kind",
  'invalid value: grpc: spec.protocolType',
  "invalid value: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'): spec.objectRef.apiVersion",
  'must not set the field(s): spec.objectRef.uid',
);
check(PodAutoscaler, `{ spec: { protocolType: http1, scaleTargetRef: ${target} } }`);
check(
  PodAutoscaler,
  '{ spec: { protocolType: "", scaleTargetRef: {} } }',
  'missing field(s): spec',
);
check(
  PodAutoscaler,
  `{ metadata: { name: Upper }, spec: { protocolType: x, containerConcurrency: 1001, scaleTargetRef: ${target} } }`,
  'expected 0 <= 1001 <= 1000: spec.containerConcurrency',
  'invalid value: x: spec.protocolType',
  "not a DNS 1035 label: [a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')]: metadata.name",
);
check(Metric, '{ spec: { stableWindow: 1, panicWindow: 1, scrapeTarget: "" } }');
check(
  Metric,
  '{ metadata: { annotations: { autoscaling.knative.dev/window: 1s } }, spec: { stableWindow: 0, panicWindow: 0, scrapeTarget: "" } }',
  'expected 6s <= 1s <= 1h0m0s: metadata.annotations.autoscaling.knative.dev/window',
  'missing field(s): spec',
);

const long = `${'x'.repeat(64)}.example.com`;
const mapped = (name: string, ref = 'apiVersion: v1, kind: Service, name: s'): string =>
  `{ metadata: { name: "${name}" }, spec: { ref: { ${ref} } } }`;
check(DomainMapping, mapped('www.example.com'));
check(
  DomainMapping,
  mapped(long),
  `invalid name "${long}": name: Invalid value: "${'x'.repeat(64)}": must be no more than 63 characters: metadata.name`,
);
check(
  DomainMapping,
  mapped('example'),
  'invalid name "example": name: Invalid value: "example": should be a domain with at least two segments separated by dots: metadata.name',
);
check(
  DomainMapping,
  mapped('x.svc.cluster.local'),
  'invalid name "x.svc.cluster.local": must not be a subdomain of cluster local domain "cluster.local": metadata.name',
);
check(
  DomainMapping,
  mapped('www.example.com', 'namespace: b'),
  'mismatched namespaces: spec.ref.namespace\nparent namespace: "a" does not match ref: "b"',
  'missing field(s): spec.ref.apiVersion, spec.ref.kind, spec.ref.name',
);
