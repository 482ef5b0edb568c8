import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  verdict,
  type OwnerState,
  type Verdict,
} from '#controllers/core/garbage-collector/owner-state.ts';

function check(states: readonly OwnerState[], expected: Verdict, finalizers?: string[]): void {
  const owners = states.map((_, at) => ({
    apiVersion: 'v1',
    kind: 'Thing',
    name: `owner-${at}`,
    uid: `uid-${at}`,
  }));
  assert.deepEqual(verdict(owners, { states, finalizers }), expected, states.join());
}

test('garbage collector: an object goes with the last of its owners', () => {
  check([], { action: 'keep' });
  check(['there'], { action: 'keep' });
  check(['unknown'], { action: 'keep' });
  check(['gone'], { action: 'delete', policy: 'Background' });
  check(['gone', 'gone'], { action: 'delete', policy: 'Background' });
  check(['there', 'gone'], { action: 'drop-references', uids: ['uid-1'] });
  check(['unknown', 'gone'], { action: 'drop-references', uids: ['uid-1'] });
});

test('garbage collector: an owner that waits takes all below with it', () => {
  check(['waiting'], { action: 'delete', policy: 'Foreground' });
  check(['waiting', 'gone'], { action: 'delete', policy: 'Foreground' });
  check(['waiting', 'there'], { action: 'drop-references', uids: ['uid-0'] });
});

test('garbage collector: finalizers of its own decide what becomes of those below', () => {
  check(['gone'], { action: 'delete', policy: 'Orphan' }, ['orphan']);
  check(['gone'], { action: 'delete', policy: 'Foreground' }, ['foregroundDeletion']);
});
