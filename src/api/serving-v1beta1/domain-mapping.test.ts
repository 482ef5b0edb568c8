import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { AdmissionContext, Kind } from '#api/kind.ts';
import { complaintLines } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { defaultSettings, withConfigMap } from '#api/serving-config/config-maps.ts';
import { DomainMapping } from '#api/serving-v1beta1/domain-mapping.ts';

function admitted<T extends KubeObject>(
  kind: Kind<T>,
  text: string,
): { object: T; lines: string[] } {
  // The test's own text is of the kind, as the API server would have parsed it.
  const object = parse(text) as T;
  const context: AdmissionContext<T> = { operation: 'CREATE', username: 'ann' };
  kind.default?.(object, context);
  return { object, lines: complaintLines(kind.validate?.(object, context) ?? []) };
}

const target = 'ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: hello }';
const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

for (const [text, ...expected] of [
  [`{ metadata: { name: shop.example.com, namespace: a }, spec: { ${target} } }`],
  [
    `{ metadata: { name: shop, namespace: a }, spec: { ${target} } }`,
    'invalid name "shop": name: Invalid value: "shop": should be a domain with at least two segments separated by dots: metadata.name',
  ],
  [
    `{ metadata: { name: Shop.com, namespace: a }, spec: { ${target} } }`,
    `invalid name "Shop.com": name: Invalid value: "Shop.com": ${subdomainText}: metadata.name`,
  ],
  [
    `{ metadata: { name: a.svc.cluster.local, namespace: a }, spec: { ${target} } }`,
    'invalid name "a.svc.cluster.local": must not be a subdomain of cluster local domain "cluster.local": metadata.name',
  ],
  [
    `{ metadata: { generateName: x, name: a.b, namespace: a }, spec: { ${target} } }`,
    'must not set the field(s): metadata.generateName',
  ],
  [
    '{ metadata: { name: a.b, namespace: a }, spec: { ref: { namespace: other } } }',
    'mismatched namespaces: spec.ref.namespace\nparent namespace: "a" does not match ref: "other"',
    'missing field(s): spec.ref.apiVersion, spec.ref.kind, spec.ref.name',
  ],
  ['{ metadata: { name: a.b, namespace: a }, spec: { ref: { group: g, kind: K, name: n } } }'],
] as const) {
  test(`domain mapping: ${expected.join('; ').slice(0, 120) || 'nothing is wrong'}: ${text}`, () => {
    assert.deepEqual(admitted(DomainMapping, text).lines, expected);
  });
}

test('domain mapping: leads into its own namespace, and knows who made it', () => {
  const { object } = admitted(
    DomainMapping,
    `{ metadata: { name: a.b, namespace: shop }, spec: { ${target} } }`,
  );
  assert.equal(object.spec.ref?.namespace, 'shop');
  assert.equal(object.metadata.annotations?.['serving.knative.dev/creator'], 'ann');
});

test('pod autoscaler: has a class and a metric, and needs something to scale', () => {
  const { object, lines } = admitted(
    PodAutoscaler,
    '{ metadata: { name: a, annotations: { autoscaling.knative.dev/window: 1s } }, spec: { scaleTargetRef: { name: d }, containerConcurrency: -1 } }',
  );
  assert.deepEqual(object.metadata.annotations, {
    'autoscaling.knative.dev/window': '1s',
    'autoscaling.knative.dev/class': 'kpa.autoscaling.knative.dev',
    'autoscaling.knative.dev/metric': 'concurrency',
  });
  assert.deepEqual(lines, [
    'expected 0 <= -1 <= 1000: spec.containerConcurrency',
    'expected 6s <= 1s <= 1h0m0s: metadata.annotations.autoscaling.knative.dev/window',
    'missing field(s): spec.protocolType, spec.scaleTargetRef.apiVersion, spec.scaleTargetRef.kind',
  ]);
  const serving = withConfigMap(defaultSettings, 'config-autoscaler', {
    'pod-autoscaler-class': 'hpa.autoscaling.knative.dev',
  });
  const other = parse('{ metadata: { name: a }, spec: {} }') as PodAutoscaler;
  PodAutoscaler.default?.(other, { operation: 'CREATE', username: 'ann', serving });
  assert.equal(other.metadata.annotations?.['autoscaling.knative.dev/metric'], 'cpu');
});

for (const [kind, text, ...expected] of [
  [
    ServerlessService,
    '{ metadata: {}, spec: { mode: Off, protocolType: "", numActivators: -1, objectRef: { name: a } } }',
    'invalid value: -1: spec.numActivators',
    'invalid value: Off: spec.mode',
    'missing field(s): spec.objectRef.apiVersion, spec.objectRef.kind, spec.protocolType',
  ],
  [Certificate, '{ metadata: {}, spec: {} }', 'missing field(s): spec.dnsNames, spec.secretName'],
  [
    Certificate,
    '{ metadata: {}, spec: { secretName: s, dnsNames: [a.b, ""] } }',
    'invalid value: : spec.dnsNames[1]',
  ],
  [Ingress, '{ metadata: {}, spec: {} }', 'missing field(s): spec'],
  [
    Ingress,
    '{ metadata: { namespace: a }, spec: { httpOption: Never, tls: [{}], rules: [{}, { http: { paths: [] } }, { http: { paths: [{ splits: [] }, { splits: [{ serviceName: s, serviceNamespace: b, servicePort: 80, percent: 101 }, { serviceName: s, serviceNamespace: b, servicePort: 80, percent: 1 }] }] } }] } }',
    'invalid value: 101: spec.rules[2].http.paths[1].splits[0].percent',
    'invalid value: Never: spec.httpOption',
    'missing field(s): spec.rules[0].http, spec.rules[1].http.paths, spec.rules[2].http.paths[0], spec.tls[0]',
    'service namespace must match ingress namespace: spec.rules[2].http.paths[1].splits[0].serviceNamespace',
  ],
] as const) {
  test(`${kind.kind}: ${expected.join('; ').slice(0, 150)}`, () => {
    // Each row has a kind and a text of it, which the table cannot say.
    assert.deepEqual(admitted(kind as Kind, text).lines, expected);
  });
}
