import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { conditionsOf, made, merged, until } from '#test/support/observe.ts';
import { at } from '#test/support/wire.ts';

const NODES = '/api/v1/nodes';

interface Machine extends AsyncDisposable {
  readonly name: string;
  /** What its kubelet says of it. */
  readonly say: (ready: 'True' | 'False' | 'Unknown') => Promise<void>;
  /** Resolves when its taints are these, `key:effect` without the domain, in any order. */
  readonly tainted: (taints: readonly string[]) => Promise<unknown>;
}

async function join(): Promise<Machine> {
  const cluster = await clusterUnderTest();
  const name = uniqueName('node');
  const target = `${NODES}/${name}`;
  await made(cluster, NODES, { metadata: { name } });
  return {
    name,
    async say(ready) {
      const conditions = [{ type: 'Ready', status: ready, reason: 'Test', message: 'so it is' }];
      await merged(cluster, `${target}/status`, { status: { conditions } });
    },
    tainted: async (taints) =>
      await until(cluster, target, (node) => {
        const found = (at(node, 'spec.taints') ?? []) as readonly { key: string; effect: string }[];
        const words = found.map(({ key, effect }) => `${key.replace(/^.*\//, '')}:${effect}`);
        return JSON.stringify(words.toSorted()) === JSON.stringify(taints.toSorted());
      }),
    async [Symbol.asyncDispose]() {
      await cluster.send('DELETE', target);
    },
  };
}

test('node: its taints follow from how it is, and from who cordons it', async () => {
  const cluster = await clusterUnderTest();
  // Where no node at all is ready, Kubernetes drives nobody away.
  await using healthy = await join();
  await healthy.say('True');
  // What it has before its first word is taken back by whoever looks first.
  await using machine = await join();
  await machine.say('True');
  await machine.tainted([]);
  await machine.say('False');
  const sick = await machine.tainted(['not-ready:NoSchedule', 'not-ready:NoExecute']);
  const taints = at(sick, 'spec.taints') as readonly { effect: string; timeAdded?: string }[];
  assert.match(taints.find(({ effect }) => effect === 'NoExecute')?.timeAdded ?? '', /^\d{4}-.*Z$/);
  await merged(cluster, `${NODES}/${machine.name}`, { spec: { unschedulable: true } });
  const all = ['not-ready:NoSchedule', 'not-ready:NoExecute', 'unschedulable:NoSchedule'];
  await machine.tainted(all);
  await merged(cluster, `${NODES}/${machine.name}`, { spec: { unschedulable: null } });
  await machine.say('Unknown');
  await machine.tainted(['unreachable:NoSchedule', 'unreachable:NoExecute']);
  await machine.say('True');
  await machine.tainted([]);
});

test('node: pods that do not tolerate its taints are driven away, others when their time is over', async () => {
  const cluster = await clusterUnderTest();
  await using machine = await join();
  await machine.say('True');
  await machine.tainted([]);
  const pods = `/api/v1/namespaces/${await cluster.namespace()}/pods`;
  const key = 'example.com/full';
  for (const [name, tolerations] of Object.entries({
    none: [],
    short: [{ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 1 }],
    ever: [{ key, operator: 'Exists', effect: 'NoExecute' }],
  })) {
    await made(cluster, pods, {
      metadata: { name, finalizers: ['example.com/hold'] },
      spec: { nodeName: machine.name, containers: [{ name: 'main', image: 'x' }], tolerations },
    });
  }
  await merged(cluster, `${NODES}/${machine.name}`, {
    spec: { taints: [{ key, value: 'yes', effect: 'NoExecute' }] },
  });
  for (const name of ['none', 'short']) {
    const pod = await until(
      cluster,
      `${pods}/${name}`,
      (it) => at(it, 'metadata.deletionTimestamp') !== undefined,
    );
    assert.deepEqual(conditionsOf(pod)['DisruptionTarget'], {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
    });
  }
  const { body } = await cluster.send('GET', `${pods}/ever`);
  assert.equal(at(body, 'metadata.deletionTimestamp'), undefined);
  for (const name of ['none', 'short', 'ever']) {
    await merged(cluster, `${pods}/${name}`, { metadata: { finalizers: null } });
    await cluster.send('DELETE', `${pods}/${name}?gracePeriodSeconds=0`);
  }
});
