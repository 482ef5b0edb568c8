import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, startWire, type Wire } from '#test/support/wire.ts';
import { parse } from 'yaml';

const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };

const PATHS: Readonly<Record<string, string>> = {
  Job: '/apis/batch/v1/namespaces/default/jobs',
  CronJob: '/apis/batch/v1/namespaces/default/cronjobs',
  HorizontalPodAutoscaler: '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers',
  PersistentVolumeClaim: '/api/v1/namespaces/default/persistentvolumeclaims',
  PersistentVolume: '/api/v1/persistentvolumes',
  StorageClass: '/apis/storage.k8s.io/v1/storageclasses',
  ResourceQuota: '/api/v1/namespaces/default/resourcequotas',
  LimitRange: '/api/v1/namespaces/default/limitranges',
  PriorityClass: '/apis/scheduling.k8s.io/v1/priorityclasses',
  PodDisruptionBudget: '/apis/policy/v1/namespaces/default/poddisruptionbudgets',
  NetworkPolicy: '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies',
  Ingress: '/apis/networking.k8s.io/v1/namespaces/default/ingresses',
  IngressClass: '/apis/networking.k8s.io/v1/ingressclasses',
  StatefulSet: '/apis/apps/v1/namespaces/default/statefulsets',
  DaemonSet: '/apis/apps/v1/namespaces/default/daemonsets',
  PodTemplate: '/api/v1/namespaces/default/podtemplates',
};
const POD = '{ restartPolicy: Never, containers: [{ name: a, image: b }] }';
const KEPT = 'selector: { matchLabels: { a: b } }, template: { metadata: { labels: { a: b } }';

function post(wire: Wire, kind: string, text: string) {
  const body = { metadata: { name: 'x' }, ...(parse(text) as object) };
  return wire.send('POST', PATHS[kind] ?? '', body);
}

test('kinds: what Kubernetes fills in', async () => {
  await using wire = await startWire();
  const check = async (kind: string, text: string, expected: string): Promise<void> => {
    const { status, body } = await post(wire, kind, text);
    assert.equal(status, 201, JSON.stringify(body));
    const found = body as Readonly<Record<string, unknown>>;
    for (const [field, value] of Object.entries(parse(expected) as Record<string, unknown>)) {
      assert.deepEqual(at(found, field), value, `${kind} ${field}`);
    }
  };
  await check(
    'Job',
    `spec: { template: { spec: ${POD} } }`,
    '{ spec.backoffLimit: 6, spec.completions: 1, spec.parallelism: 1, spec.suspend: false, spec.completionMode: NonIndexed, spec.podReplacementPolicy: TerminatingOrFailed, metadata.labels.job-name: x }',
  );
  await check(
    'CronJob',
    `spec: { schedule: "@daily", jobTemplate: { spec: { template: { spec: ${POD} } } } }`,
    '{ spec.concurrencyPolicy: Allow, spec.suspend: false, spec.successfulJobsHistoryLimit: 3, spec.failedJobsHistoryLimit: 1 }',
  );
  await check(
    'HorizontalPodAutoscaler',
    'spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: x }, behavior: { scaleDown: { stabilizationWindowSeconds: 5 } } }',
    '{ spec.minReplicas: 1, spec.metrics: [{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 80 } } }], spec.behavior.scaleDown: { stabilizationWindowSeconds: 5, selectPolicy: Max, policies: [{ type: Percent, value: 100, periodSeconds: 15 }] } }',
  );
  await check(
    'LimitRange',
    'spec: { limits: [{ type: Container, max: { cpu: 2 }, min: { cpu: 100m } }] }',
    '{ spec.limits.0.default: { cpu: "2" }, spec.limits.0.defaultRequest: { cpu: "2" } }',
  );
  await check(
    'PersistentVolumeClaim',
    'spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }',
    '{ spec.volumeMode: Filesystem, status.phase: Pending }',
  );
  await check(
    'StorageClass',
    'provisioner: a.b/c',
    '{ reclaimPolicy: Delete, volumeBindingMode: Immediate }',
  );
  await check('PriorityClass', 'value: 5', '{ preemptionPolicy: PreemptLowerPriority }');
  await check(
    'NetworkPolicy',
    'spec: { podSelector: {}, egress: [{ ports: [{ port: 5 }] }] }',
    '{ spec.policyTypes: [Ingress, Egress], spec.egress.0.ports.0.protocol: TCP }',
  );
  await check(
    'StatefulSet',
    `spec: { ${KEPT}, spec: { containers: [{ name: a, image: b }] } } }`,
    '{ spec.replicas: 1, spec.podManagementPolicy: OrderedReady, spec.updateStrategy.rollingUpdate.partition: 0 }',
  );
  await check(
    'DaemonSet',
    `spec: { ${KEPT}, spec: { containers: [{ name: a, image: b }] } } }`,
    '{ spec.updateStrategy.rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }',
  );
  await check(
    'PodTemplate',
    'template: { spec: { containers: [{ name: a, image: b }] } }',
    '{ template.spec.restartPolicy: Always }',
  );
});

test('kinds: what Kubernetes refuses, in its words', async () => {
  await using wire = await startWire();
  const check = async (kind: string, text: string, ...messages: string[]): Promise<void> => {
    const { status, body } = await post(wire, kind, text);
    assert.equal(status, 422, JSON.stringify(body));
    const causes = at(body, 'details.causes') as { field: string; message: string }[];
    const found = causes.map(({ field, message }) => `${field}: ${message}`);
    for (const message of messages) assert.ok(found.includes(message), found.join('\n'));
  };
  await check(
    'Job',
    'spec: { template: { spec: { containers: [{ name: a, image: b }] } } }',
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
  );
  await check(
    'Job',
    `spec: { completionMode: Indexed, parallelism: -1, template: { spec: ${POD} } }`,
    'spec.parallelism: Invalid value: -1: must be greater than or equal to 0',
    'spec.completions: Required value: when completion mode is Indexed',
  );
  await check(
    'CronJob',
    `spec: { schedule: bad, timeZone: Nowhere/Here, jobTemplate: { spec: { template: { spec: ${POD} } } } }`,
    'spec.schedule: Invalid value: "bad": expected exactly 5 fields, found 1: [bad]',
    'spec.timeZone: Invalid value: "Nowhere/Here": unknown time zone Nowhere/Here',
  );
  await check(
    'HorizontalPodAutoscaler',
    'spec: { minReplicas: 5, maxReplicas: 3, scaleTargetRef: { kind: Deployment, name: x } }',
    'spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`',
    'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group',
  );
  await check(
    'ResourceQuota',
    'spec: { hard: { foo: "1", pods: "-2" }, scopes: [PriorityClass] }',
    'spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
    'spec.hard[pods]: Invalid value: "-2": must be greater than or equal to 0',
    'spec.scopes: Invalid value: ["PriorityClass"]: unsupported scope',
  );
  await check(
    'LimitRange',
    'spec: { limits: [{ type: Container, max: { cpu: 1 }, min: { cpu: 2 } }, { type: Container }] }',
    'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
    'spec.limits[1].type: Duplicate value: "Container"',
  );
  await check(
    'PersistentVolumeClaim',
    'spec: {}',
    'spec.accessModes: Required value: at least 1 access mode is required',
    'spec.resources[storage]: Required value',
  );
  await check('PersistentVolume', 'spec: {}', 'spec: Required value: must specify a volume type');
  await check('StorageClass', 'provisioner: ""', 'provisioner: Required value');
  await check(
    'PriorityClass',
    'value: 2000000000',
    'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
  );
  await check(
    'IngressClass',
    'spec: { controller: ab }',
    'spec.controller: Invalid value: "ab": must be a domain-prefixed path (such as "acme.io/foo")',
  );
  await check(
    'Ingress',
    'spec: { rules: [{ http: { paths: [{ path: / }] } }] }',
    'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified',
  );
  await check(
    'DaemonSet',
    `spec: { ${KEPT}, spec: ${POD} } }`,
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  );
});

test('kinds: what nothing acts on yet says so', async () => {
  await using wire = await startWire();
  const { headers } = await post(wire, 'PodDisruptionBudget', 'spec: { minAvailable: 1 }');
  assert.equal(
    headers['warning'],
    '299 - "PodDisruptionBudgets are stored, but nothing keeps to them yet"',
  );
  const level = (name: string, standard: string) =>
    wire.send('POST', '/api/v1/namespaces', {
      metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': standard } },
    });
  assert.equal((await level('free', 'privileged')).headers['warning'], undefined);
  assert.equal(
    (await level('strict', 'restricted')).headers['warning'],
    '299 - "metadata.labels[pod-security.kubernetes.io/enforce]: stored, but pods are not held to it yet"',
  );
});

test('kinds: the columns that kubectl users know', async () => {
  await using wire = await startWire();
  const check = async (kind: string, expected: string): Promise<void> => {
    const { body } = await wire.send('GET', PATHS[kind] ?? kind, undefined, { headers: TABLE });
    const columns = at(body, 'columnDefinitions') as { name: string }[];
    assert.equal(columns.map(({ name }) => name).join('|'), expected, kind);
  };
  await check('Job', 'Name|Status|Completions|Duration|Age|Containers|Images|Selector');
  await check(
    'CronJob',
    'Name|Schedule|Timezone|Suspend|Active|Last Schedule|Age|Containers|Images|Selector',
  );
  await check('HorizontalPodAutoscaler', 'Name|Reference|Targets|MinPods|MaxPods|Replicas|Age');
  await check(
    'PersistentVolumeClaim',
    'Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode',
  );
  await check(
    'PersistentVolume',
    'Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|VolumeMode',
  );
  await check(
    'StorageClass',
    'Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age',
  );
  await check('ResourceQuota', 'Name|Request|Limit|Age');
  await check('LimitRange', 'Name|Created At');
  await check('PriorityClass', 'Name|Value|Global-Default|Age|PreemptionPolicy');
  await check('PodDisruptionBudget', 'Name|Min Available|Max Unavailable|Allowed Disruptions|Age');
  await check('NetworkPolicy', 'Name|Pod-Selector|Age');
  await check('Ingress', 'Name|Class|Hosts|Address|Ports|Age');
  await check('IngressClass', 'Name|Controller|Parameters|Age');
  await check('StatefulSet', 'Name|Ready|Age|Containers|Images');
  await check(
    'DaemonSet',
    'Name|Desired|Current|Ready|Up-to-date|Available|Node Selector|Age|Containers|Images|Selector',
  );
  await check('PodTemplate', 'Name|Containers|Images|Pod Labels');
  await check(
    '/apis/events.k8s.io/v1/events',
    'Last Seen|Type|Reason|Object|Subobject|Source|Message|First Seen|Count|Name',
  );
});

test('kinds: rows say what kubectl users look for', async () => {
  await using wire = await startWire();
  const rowOf = async (kind: string, text: string): Promise<unknown[]> => {
    await post(wire, kind, text);
    const { body } = await wire.send('GET', PATHS[kind] ?? '', undefined, { headers: TABLE });
    return at(body, 'rows.0.cells') as unknown[];
  };
  const job = await rowOf('Job', `spec: { template: { spec: ${POD} } }`);
  assert.deepEqual(job.slice(0, 5), ['x', 'Running', '0/1', '', '0s']);
  const quota = await rowOf('ResourceQuota', 'spec: { hard: { cpu: 1, limits.cpu: 2, pods: 3 } }');
  assert.deepEqual(quota.slice(1, 3), ['cpu: 0/1, pods: 0/3', 'limits.cpu: 0/2']);
  const target = 'scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: x }';
  const hpa = await rowOf('HorizontalPodAutoscaler', `spec: { maxReplicas: 3, ${target} }`);
  assert.deepEqual(hpa.slice(1, 6), ['Deployment/x', 'cpu: <unknown>/80%', '1', 3, 0]);
  const ingress = await rowOf('Ingress', 'spec: { rules: [{ host: a.b }], tls: [{}] }');
  assert.deepEqual(ingress.slice(1, 5), ['<none>', 'a.b', '', '80, 443']);
});
