import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerStatus } from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { podStatus, type PodView } from '#agent/pods/pod-status.ts';

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { restartPolicy: 'Never', containers: [{ name: 'main' }] },
  status: { phase: 'Running' },
};

function ended(exitCode: number): ContainerStatus {
  const rest = { image: '', imageID: '', ready: false, restartCount: 0 };
  return { name: 'main', ...rest, state: { terminated: { exitCode } } };
}

function phaseOf(view: Partial<PodView>): string | undefined {
  return podStatus({
    pod,
    hostAddress: '10.0.0.1',
    address: undefined,
    startTime: '',
    initStatuses: [],
    statuses: [],
    ephemeralStatuses: [],
    isDoomed: false,
    now: '',
    ...view,
  }).phase;
}

test('status: how the containers ended decides, unless the agent has decided before', () => {
  assert.equal(phaseOf({ statuses: [ended(0)] }), 'Succeeded');
  assert.equal(phaseOf({ statuses: [ended(3)] }), 'Failed');
  // Who ends politely at a deadline has not succeeded, nor failed before it can be said why.
  for (const exitCode of [0, 3])
    assert.equal(phaseOf({ statuses: [ended(exitCode)], isDoomed: true }), 'Running');
  const fate = { reason: 'DeadlineExceeded', message: 'late' } as const;
  assert.equal(phaseOf({ statuses: [ended(0)], isDoomed: true, fate }), 'Failed');
});
