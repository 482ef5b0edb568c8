import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, pod, startWire, type Wire } from '#test/support/wire.ts';

const PODS = '/api/v1/namespaces/default/pods';
const CLASSES = '/apis/scheduling.k8s.io/v1/priorityclasses';

const podWith = (name: string, spec: object): object =>
  pod(name, { spec: { containers: [{ name: 'main', image: 'sample:v1' }], ...spec } });

async function refusal(wire: Wire, target: string, body: object): Promise<unknown> {
  const { status, body: answer } = await wire.send('POST', target, body);
  assert.equal(status, 403, JSON.stringify(answer));
  return at(answer, 'message');
}

test('priority: is that of the class a pod names, or of the default', async () => {
  await using wire = await startWire();
  assert.equal(
    await refusal(wire, PODS, podWith('a', { priorityClassName: 'high' })),
    'pods "a" is forbidden: no PriorityClass with name high was found',
  );
  const plain = await wire.send('POST', PODS, podWith('a', {}));
  assert.deepEqual(
    [at(plain.body, 'spec.priority'), at(plain.body, 'spec.preemptionPolicy')],
    [0, 'PreemptLowerPriority'],
  );
  const high = { metadata: { name: 'high' }, value: 100, preemptionPolicy: 'Never' };
  await wire.send('POST', CLASSES, high);
  const named = await wire.send('POST', PODS, podWith('b', { priorityClassName: 'high' }));
  assert.equal(at(named.body, 'spec.priority'), 100);
  assert.equal(at(named.body, 'spec.preemptionPolicy'), 'Never');
  const usual = { metadata: { name: 'usual' }, value: 7, globalDefault: true };
  await wire.send('POST', CLASSES, usual);
  const silent = await wire.send('POST', PODS, podWith('c', {}));
  assert.equal(at(silent.body, 'spec.priority'), 7);
  assert.equal(at(silent.body, 'spec.priorityClassName'), 'usual');
  assert.equal(
    await refusal(wire, CLASSES, { ...usual, metadata: { name: 'other' } }),
    'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as default. Only one default can exist',
  );
});

test('priority: a pod does not give itself one', async () => {
  await using wire = await startWire();
  assert.equal(
    await refusal(wire, PODS, podWith('a', { priority: 5 })),
    'pods "a" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
  );
});

test('tolerations: five minutes of a silent node, unless the pod says something of it', async () => {
  await using wire = await startWire();
  const given = [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists' }];
  const { body } = await wire.send('POST', PODS, podWith('a', { tolerations: given }));
  assert.deepEqual(at(body, 'spec.tolerations'), [
    ...given,
    {
      key: 'node.kubernetes.io/unreachable',
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 300,
    },
  ]);
});

test('zeros: what Go leaves out of JSON is left out, what it writes is there', async () => {
  await using wire = await startWire();
  const { body } = await wire.send('POST', '/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'a', labels: {} },
    spec: {
      replicas: 0,
      paused: false,
      minReadySeconds: 0,
      selector: { matchLabels: { app: 'a' } },
      template: {
        metadata: { labels: { app: 'a' }, annotations: {} },
        spec: {
          hostNetwork: false,
          nodeName: '',
          automountServiceAccountToken: false,
          containers: [{ name: 'a', image: 'b', env: [{ name: 'A', value: '' }], args: [] }],
        },
      },
    },
  });
  assert.equal(at(body, 'metadata.labels'), undefined);
  assert.deepEqual(at(body, 'status'), {});
  assert.deepEqual(at(body, 'spec.template.metadata'), { labels: { app: 'a' } });
  assert.deepEqual(Object.keys(at(body, 'spec') as object).toSorted(), [
    'progressDeadlineSeconds',
    'replicas',
    'revisionHistoryLimit',
    'selector',
    'strategy',
    'template',
  ]);
  assert.equal(at(body, 'spec.template.spec.hostNetwork'), undefined);
  assert.equal(at(body, 'spec.template.spec.automountServiceAccountToken'), false, 'a pointer');
  assert.deepEqual(at(body, 'spec.template.spec.containers.0'), {
    name: 'a',
    image: 'b',
    env: [{ name: 'A' }],
    imagePullPolicy: 'Always',
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
});

test('runtime classes: there is one way to run pods, and others are refused by their names', async () => {
  await using wire = await startWire();
  assert.equal(
    await refusal(wire, PODS, podWith('a', { runtimeClassName: 'gvisor' })),
    'pods "a" is forbidden: pod rejected: RuntimeClass "gvisor" not found',
  );
});
