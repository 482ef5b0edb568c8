import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core-v1/pod.ts';
import { groupPods } from '#controllers/core/horizontal-pod-autoscaler/pod-groups.ts';
import { fixture } from '#test/support/fixture.ts';

const NOW_MS = Date.parse('2026-01-01T01:00:00Z');
const RUNNING = 'phase: Running';

function check(
  pod: { readonly status: string; readonly metadata?: string },
  expected: 'counted' | 'unready' | 'missing' | 'ignored',
  { resource = 'cpu', isMeasured = true }: { resource?: string; isMeasured?: boolean } = {},
): void {
  const { status, metadata = '' } = pod;
  const object = fixture<Pod>(`
    metadata: { name: p, ${metadata} }
    spec: { containers: [] }
    status: { ${status} }
  `);
  const measured = { value: 7, atMs: NOW_MS - 5_000, windowMs: 15_000 };
  const usage = new Map(isMeasured ? [['p', measured]] : []);
  const { counted, unready, missing } = groupPods([object], usage, { resource, nowMs: NOW_MS });
  const found = [
    ...[...counted.keys()].map(() => 'counted'),
    ...unready.map(() => 'unready'),
    ...missing.map(() => 'missing'),
  ];
  assert.deepEqual(found, expected === 'ignored' ? [] : [expected], `${status} ${resource}`);
}

function ready(status: string, changed: string, started = '2026-01-01T00:00:00Z'): string {
  const condition = `{ type: Ready, status: "${status}", lastTransitionTime: "${changed}" }`;
  return `${RUNNING}, startTime: "${started}", conditions: [${condition}]`;
}

test('pod groups: pods that go or have failed are in none', () => {
  check({ status: RUNNING, metadata: 'deletionTimestamp: "2026-01-01T00:00:00Z"' }, 'ignored');
  check({ status: 'phase: Failed' }, 'ignored');
  check({ status: 'phase: Pending' }, 'unready', { isMeasured: false });
  check({ status: RUNNING }, 'missing', { isMeasured: false });
});

test('pod groups: a processor’s work in the first minutes counts once the pod is ready for a whole window', () => {
  const started = '2026-01-01T00:58:00Z';
  check({ status: ready('True', '2026-01-01T00:59:00Z', started) }, 'counted');
  check({ status: ready('True', '2026-01-01T00:59:45Z', started) }, 'unready');
  check({ status: ready('False', '2026-01-01T00:59:00Z', started) }, 'unready');
  check({ status: ready('False', '2026-01-01T00:59:00Z', started) }, 'counted', {
    resource: 'memory',
  });
});

test('pod groups: later a pod that is not ready counts if it ever was', () => {
  check({ status: ready('False', '2026-01-01T00:30:00Z') }, 'counted');
  check({ status: ready('False', '2026-01-01T00:00:10Z') }, 'unready');
  check({ status: RUNNING }, 'unready');
  check({ status: RUNNING }, 'counted', { resource: 'memory' });
});
