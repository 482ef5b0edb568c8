import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { podChangeErrors } from '#api/core-v1/pod-change-errors.ts';
import { podSpecErrors } from '#api/core-v1/pod-errors.ts';
import type { Container, PodSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';

// What is expected is what a kube-apiserver of v1.34 answered to the same pods.

const shown = (errors: readonly FieldError[]): string[] =>
  errors.map(({ path, message }) => `${path}: ${message}`);

/** The words of the test's YAML are what a container, or a spec beside it, has besides a name and an image. */
function podOf(container: string, spec = '{}'): PodSpec {
  const fields = parse(container) as Partial<Container>;
  const rest = parse(spec) as Partial<PodSpec>;
  const volumes = [{ name: 'v', emptyDir: {} }];
  return { containers: [{ name: 'a', image: 'b', ...fields }], volumes, ...rest };
}

test('containers: what Kubernetes refuses, in its words', () => {
  const check = (container: string, ...expected: string[]): void => {
    const found = podSpecErrors(podOf(container), 'spec');
    assert.deepEqual(
      shown(found),
      expected.map((line) => `spec.containers[0].${line}`),
      container,
    );
  };
  const range = 'must be between 1 and 65535, inclusive';
  check('{}');
  check(
    '{ resources: { limits: { cpu: 1 }, requests: { constructor: 1 } } }',
    'resources.requests[constructor]: Invalid value: "constructor": must be a standard resource type or fully qualified',
    'resources.requests[constructor]: Invalid value: "constructor": must be a standard resource for containers',
  );
  check(
    '{ image: " x" }',
    'image: Invalid value: " x": must not have leading or trailing whitespace',
  );
  check(
    '{ ports: [{ containerPort: 0, protocol: TCP }, { containerPort: 1, hostPort: 70000, protocol: TCP }] }',
    'ports[0].containerPort: Required value',
    `ports[1].hostPort: Invalid value: 70000: ${range}`,
  );
  check(
    '{ ports: [{ containerPort: 1, hostPort: 2, protocol: TCP }, { containerPort: 3, hostPort: 2, protocol: TCP }] }',
    'ports[1].hostPort: Duplicate value: "TCP//2"',
  );
  check(
    '{ ports: [{ containerPort: 1, name: "A_" }] }',
    'ports[0].name: Invalid value: "A_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    'ports[0].name: Invalid value: "A_": must contain at least one letter (a-z)',
  );
  check(
    '{ env: [{ name: A, value: b, valueFrom: { fieldRef: { apiVersion: v1, fieldPath: metadata.name } } }] }',
    'env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
  );
  check(
    '{ env: [{ name: A, valueFrom: { fieldRef: { apiVersion: v1, fieldPath: metadata.foo } } }] }',
    'env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.foo": error converting fieldPath: field label not supported: metadata.foo',
  );
  check(
    '{ env: [{ name: A, valueFrom: { resourceFieldRef: { resource: limits.cpu, divisor: "3" } } }] }',
    `env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
  );
  check(
    '{ envFrom: [{}] }',
    'envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
  );
  check(
    '{ volumeMounts: [{ name: v, mountPath: /a }, { name: z, mountPath: /a, subPath: ../b }] }',
    'volumeMounts[1].name: Not found: "z"',
    'volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
    `volumeMounts.subPath: Invalid value: "../b": must not contain '..'`,
  );
  check(
    '{ livenessProbe: { httpGet: { path: /, port: 80 }, exec: { command: [a] }, successThreshold: 2 } }',
    'livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type',
    'livenessProbe.successThreshold: Invalid value: 2: must be 1',
  );
  check(
    '{ lifecycle: { preStop: { sleep: { seconds: 100 } } } }',
    'lifecycle.preStop.sleep: Invalid value: 100: must be non-negative and less than terminationGracePeriodSeconds (30)',
  );
  check(
    '{ resources: { limits: { cpu: 1 }, requests: { cpu: 1500m, foo: 1 } } }',
    'resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit of 1',
    'resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
    'resources.requests[foo]: Invalid value: "foo": must be a standard resource for containers',
  );
  check(
    '{ resources: { requests: { a.b/c: 1 } } }',
    'resources.limits: Required value: Limit must be set for non overcommitable resources',
  );
  check(
    '{ securityContext: { runAsUser: -1, seccompProfile: { type: Localhost } } }',
    'securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
    'securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
  );
});

test('pods: what Kubernetes refuses, in its words', () => {
  const check = (spec: string, ...expected: string[]): void => {
    const found = podSpecErrors(podOf('{}', spec), 'spec');
    assert.deepEqual(
      shown(found),
      expected.map((line) => `spec.${line}`),
      spec,
    );
  };
  check('{ containers: [] }', 'containers: Required value');
  check(
    '{ initContainers: [{ name: a, image: b, livenessProbe: { exec: { command: [a] } } }] }',
    'initContainers[0].name: Duplicate value: "a"',
    'initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
  );
  check(
    '{ volumes: [{ name: a, emptyDir: {}, hostPath: { path: / } }, { name: a, secret: { items: [{ key: "", path: /b }] } }] }',
    'volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
    'volumes[1].secret.secretName: Required value',
    'volumes[1].secret.items[0].key: Required value',
    'volumes[1].secret.items[0].path: Invalid value: "/b": must be a relative path',
    'volumes[1].name: Duplicate value: "a"',
  );
  check(
    '{ volumes: [{ name: a, projected: { sources: [{ serviceAccountToken: { path: p, expirationSeconds: 1 } }, { configMap: { name: c, items: [{ key: k, path: p }] } }] } }] }',
    'volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes',
    'volumes[0].projected: Invalid value: "c": conflicting duplicate paths',
  );
  check(
    '{ dnsPolicy: None }',
    'dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
  );
  check(
    '{ tolerations: [{ operator: Equal }, { key: a, operator: Exists, value: b }] }',
    'tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    'tolerations[1].operator: Invalid value: "b": value must be empty when `operator` is \'Exists\'',
  );
  check(
    '{ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: a, operator: In }] }] } } } }',
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
  );
  check(
    '{ topologySpreadConstraints: [{ maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule }, { maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule }] }',
    'topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
    'topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{a, DoNotSchedule}"',
  );
  check(
    '{ hostNetwork: true, containers: [{ name: a, image: b, ports: [{ containerPort: 1, hostPort: 2, protocol: TCP }] }] }',
    'containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true',
  );
  check(
    '{ activeDeadlineSeconds: 0, nodeSelector: { a: "-" } }',
    "nodeSelector: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    'activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
  );
});

test('pods: of what may change, how far', () => {
  const before = podOf(
    '{}',
    '{ activeDeadlineSeconds: 10, tolerations: [{ key: a, operator: Exists }] }',
  );
  const check = (spec: string, ...expected: string[]): void => {
    const after = { ...before, ...(parse(spec) as Partial<PodSpec>) };
    assert.deepEqual(
      shown(podChangeErrors(after, before, { subresource: undefined })),
      expected,
      spec,
    );
  };
  check('{ activeDeadlineSeconds: 5, containers: [{ name: a, image: c }] }');
  check(
    '{ activeDeadlineSeconds: 11 }',
    'spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value',
  );
  check(
    '{ tolerations: [] }',
    'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
  );
  check('{ tolerations: [{ key: a, operator: Exists }, { key: b, operator: Exists }] }');
  check(
    '{ schedulingGates: [{ name: a }] }',
    "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a'",
  );
  check(
    '{ containers: [] }',
    'spec.containers: Forbidden: pod updates may not add or remove containers',
  );
});

test('placement: a node selector without a term is one that says nothing', () => {
  const spec = podOf(
    '{}',
    '{ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: {} } } }',
  );
  assert.deepEqual(shown(podSpecErrors(spec, 'spec')), [
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
  ]);
});
