import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import type { WireReply } from '#test/support/wire.ts';

/** What a reply warns of, but for what only a young platform has to say. */
function warningsOf({ headers }: WireReply): string[] {
  const texts = (headers['warning'] ?? '').matchAll(/299 - "((?:[^"\\]|\\.)*)"/g);
  return [...texts]
    .map(([, text = '']) => text.replaceAll(/\\(.)/g, '$1'))
    .filter((text) => !/not acted on yet|no pods are made|no traffic is/.test(text))
    .toSorted();
}

const container = { name: 'c', image: 'i' };

const spec = {
  nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'beta.kubernetes.io/arch', operator: 'Exists' }] },
        ],
      },
    },
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname' }],
    },
  },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'failure-domain.beta.kubernetes.io/zone',
      whenUnsatisfiable: 'ScheduleAnyway',
    },
  ],
  hostAliases: [
    { ip: '1.2.3.4', hostnames: ['a'] },
    { ip: '1.2.3.4', hostnames: ['b'] },
  ],
  imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}],
  volumes: [
    {
      name: 'files',
      configMap: {
        name: 'm',
        items: [
          { key: 'a', path: 'x' },
          { key: 'b', path: 'x/y' },
        ],
      },
    },
    { name: 'git', gitRepo: { repository: 'r' } },
  ],
  containers: [
    {
      ...container,
      env: [
        { name: 'A', value: '1' },
        { name: 'A', value: '2' },
        { name: 'A', value: '$(A)3' },
      ],
      ports: [
        { name: 'web', containerPort: 80 },
        { name: 'x', containerPort: 81, hostIP: '1.2.3.4' },
      ],
      resources: { limits: { memory: '100m' }, requests: { memory: '100m' } },
    },
    { ...container, name: 'd', ports: [{ name: 'web', containerPort: 80 }] },
  ],
};

const OLD = 'scheduler.alpha.kubernetes.io/critical-pod';
const SECCOMP = 'container.seccomp.security.alpha.kubernetes.io/c';
const annotations = { [OLD]: '', [SECCOMP]: 'runtime/default' };
const LABEL = 'a DNS label is recommended: [must not contain dots]';

const wanted = (path: string): string[] =>
  [
    `${path}metadata.annotations[${OLD}]: non-functional in v1.16+; use the "priorityClassName" field instead`,
    `${path}metadata.annotations[${SECCOMP}]: non-functional in v1.27+; use the "seccompProfile" field instead`,
    `${path}spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead`,
    `${path}spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/arch is deprecated since v1.14; use "kubernetes.io/arch" instead`,
    `${path}spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: a null labelSelector results in matching no pod`,
    `${path}spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
    `${path}spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod`,
    `${path}spec.hostAliases[1].ip: duplicate ip "1.2.3.4"`,
    `${path}spec.imagePullSecrets[1].name: duplicate name "a"`,
    `${path}spec.imagePullSecrets[2].name: invalid empty name ""`,
    `${path}spec.volumes[1].gitRepo: deprecated in v1.11, and disabled by default in v1.33+`,
    `volume "files" (ConfigMap "m"): overlapping paths: "x/y" with "x"`,
    `${path}spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply`,
    `${path}spec.containers[0].ports[1]: hostIP set without hostPort: {Name:x HostPort:0 ContainerPort:81 Protocol:TCP HostIP:1.2.3.4}`,
    `${path}spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer`,
    `${path}spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer`,
    `${path}spec.containers[1].ports[0]: duplicate port definition with ${path}spec.containers[0].ports[0]`,
    `${path}spec.containers[1].ports[0]: duplicate port name "web" with ${path}spec.containers[0].ports[0], services and probes that select ports by name will use ${path}spec.containers[0].ports[0]`,
  ].toSorted();

test('warnings: of what a pod’s author may not mean', async () => {
  const { send, namespace } = await clusterUnderTest();
  const pods = `/api/v1/namespaces/${await namespace()}/pods?dryRun=All`;
  const reply = await send('POST', pods, { metadata: { name: 'p', annotations }, spec });
  assert.equal(reply.status, 201, JSON.stringify(reply.body));
  assert.deepEqual(warningsOf(reply), wanted(''));
  const dotted = await send('POST', pods, {
    metadata: { name: 'a.b' },
    spec: { containers: [container] },
  });
  const hostname = "metadata.name: this is used in the Pod's hostname, which can result";
  assert.deepEqual(warningsOf(dotted), [`${hostname} in surprising behavior; ${LABEL}`]);
});

test('warnings: of templates too, when they are made and when they change', async () => {
  const { send, namespace } = await clusterUnderTest();
  const within = await namespace();
  const labels = { a: 'b' };
  const template = { metadata: { labels, annotations }, spec };
  const selector = { matchLabels: labels };
  const plain = { metadata: { labels }, spec: { ...spec, restartPolicy: 'Never' } };
  const without = wanted('spec.template.').filter((text) => !text.includes('annotations['));
  const cases: [string, object, string[]][] = [
    ['apps/v1/NS/deployments', { selector, template }, wanted('spec.template.')],
    ['apps/v1/NS/replicasets', { selector, template }, wanted('spec.template.')],
    ['batch/v1/NS/jobs', { template: plain }, without],
    [
      'batch/v1/NS/cronjobs',
      { schedule: '* * * * *', jobTemplate: { spec: { template: plain } } },
      without.map((text) => text.replaceAll('spec.template.', 'spec.jobTemplate.spec.template.')),
    ],
  ];
  for (const [path, body, texts] of cases) {
    const target = `/apis/${path.replace('NS', `namespaces/${within}`)}`;
    const reply = await send('POST', target, { metadata: { name: 'w' }, spec: body });
    assert.equal(reply.status, 201, JSON.stringify(reply.body));
    assert.deepEqual(warningsOf(reply), texts.toSorted(), path);
    const dotted = await send('POST', `${target}?dryRun=All`, {
      metadata: { name: 'a.b' },
      spec: body,
    });
    const names = `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; ${LABEL}`;
    assert.ok(warningsOf(dotted).includes(names), path);
    const merge = { headers: { 'content-type': 'application/merge-patch+json' } };
    const labelled = await send('PATCH', `${target}/w`, { metadata: { labels } }, merge);
    assert.deepEqual(warningsOf(labelled), [], path);
  }
});

test('warnings: of kinds and annotations that should be left', async () => {
  const { send, namespace } = await clusterUnderTest();
  const within = await namespace();
  const endpoints = await send('GET', `/api/v1/namespaces/${within}/endpoints`);
  assert.deepEqual(warningsOf(endpoints), [
    'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  ]);
  const ingress = {
    metadata: { name: 'i', annotations: { 'kubernetes.io/ingress.class': 'x' } },
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
  };
  const ingresses = `/apis/networking.k8s.io/v1/namespaces/${within}/ingresses`;
  assert.deepEqual(warningsOf(await send('POST', ingresses, ingress)), [
    `annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`,
  ]);
});
