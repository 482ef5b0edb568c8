import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evictionMessage, evictionVictim, type PodUse } from '#agent/eviction-order.ts';

const MIB = 1024 * 1024;

interface Facts {
  readonly uses: number;
  readonly asks?: string;
  readonly priority?: number;
}

function use(name: string, { uses, asks, priority = 0 }: Facts): PodUse {
  const resources = asks === undefined ? {} : { requests: { memory: asks } };
  return {
    pod: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { priority, containers: [{ name: 'main', resources }] },
    },
    amount: uses * MIB,
    containers: { main: uses * MIB },
  };
}

test('eviction: who is beyond its request goes first, then low priority, then who is farthest beyond', () => {
  const check = (pods: Readonly<Record<string, Facts>>, expected: string | undefined): void => {
    const uses = Object.entries(pods).map(([name, facts]) => use(name, facts));
    assert.equal(evictionVictim(uses, 'memory')?.pod.metadata.name, expected);
    assert.equal(evictionVictim(uses.toReversed(), 'memory')?.pod.metadata.name, expected);
  };
  check({}, undefined);
  check({ asked: { uses: 900, asks: '1Gi' }, beyond: { uses: 10, priority: 5 } }, 'beyond');
  check({ low: { uses: 10 }, high: { uses: 900, priority: 5 } }, 'low');
  check({ near: { uses: 100, asks: '90Mi' }, far: { uses: 50, asks: '10Mi' } }, 'far');
  check({ less: { uses: 10, asks: '90Mi' }, more: { uses: 80, asks: '90Mi' } }, 'more');
  check({ dns: { uses: 900, priority: 2_000_000_000 }, last: { uses: 1, asks: '1Gi' } }, 'last');
  check({ dns: { uses: 900, priority: 2_000_001_000 } }, undefined);
});

test('eviction: says what there was and was to be, and which containers were beyond their requests', () => {
  const shortage = { available: 90 * MIB, threshold: 100 * MIB };
  assert.equal(
    evictionMessage(use('p', { uses: 200, asks: '64Mi' }), 'memory', shortage),
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. Container main was using 200Mi, request is 64Mi, has larger consumption of memory. ',
  );
  assert.equal(
    evictionMessage(use('p', { uses: 20, asks: '64Mi' }), 'memory', shortage),
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. ',
  );
});

test('eviction: for want of processes, the one of the lowest priority with the most of them', () => {
  const many = (name: string, amount: number, priority = 0): PodUse => ({
    ...use(name, { uses: 0, priority }),
    amount,
    containers: { main: amount },
  });
  const uses = [many('few', 3), many('most', 900), many('dear', 4000, 5)];
  const victim = evictionVictim(uses, 'pids');
  assert.equal(victim?.pod.metadata.name, 'most');
  assert.equal(
    evictionMessage(many('most', 900), 'pids', { available: 1000, threshold: 1638.4 }),
    'The node was low on resource: pids. Threshold quantity: 1639, available: 1000. ',
  );
});
