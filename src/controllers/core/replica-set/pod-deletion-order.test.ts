import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core-v1/pod.ts';
import { podDeletionOrder } from '#controllers/core/replica-set/pod-deletion-order.ts';

interface Traits {
  readonly node?: string;
  readonly phase?: string;
  readonly readySince?: string;
  readonly cost?: string;
  readonly restarts?: number;
  readonly created?: string;
}

function pod(name: string, traits: Traits): Pod {
  const { node = 'n', phase = 'Running', readySince = '2026-01-01T00:00:00Z' } = traits;
  const isReady = readySince !== '';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      creationTimestamp: traits.created ?? '2026-01-01T00:00:00Z',
      annotations: { 'controller.kubernetes.io/pod-deletion-cost': traits.cost ?? '0' },
    },
    spec: { containers: [], ...(node && { nodeName: node }) },
    status: {
      phase,
      conditions: [
        { type: 'Ready', status: isReady ? 'True' : 'False', lastTransitionTime: readySince },
      ],
      containerStatuses: [
        {
          name: 'c',
          image: 'i',
          imageID: 'i',
          ready: isReady,
          restartCount: traits.restarts ?? 0,
        },
      ],
    },
  };
}

/** `first` must go before `last`, in whichever order they come. */
function check(first: Traits, last: Traits): void {
  const pods = [pod('b-first', first), pod('a-last', last)];
  for (const given of [pods, pods.toReversed()]) {
    const names = podDeletionOrder(given).map(({ metadata }) => metadata.name);
    assert.deepEqual(names, ['b-first', 'a-last']);
  }
}

test('pod deletion order: the pod that is missed least goes first', () => {
  check({ node: '' }, {});
  check({ phase: 'Pending', cost: '9' }, {});
  check({ phase: 'Pending' }, { phase: 'Unknown' });
  check({ readySince: '', cost: '9' }, {});
  check({ cost: '-1' }, {});
  check({ cost: '1' }, { cost: '2', readySince: '2026-01-02T00:00:00Z' });
  check({ readySince: '2026-01-02T00:00:00Z' }, {});
  check({ restarts: 3 }, { restarts: 1 });
  check({ created: '2026-01-02T00:00:00Z' }, {});
});

test('pod deletion order: a cost that is no whole number counts as none', () => {
  check({ cost: '-1' }, { cost: 'cheap' });
  check({ cost: 'cheap' }, { cost: '1' });
});
