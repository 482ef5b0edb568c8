import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { followRbac } from '#apiserver/authorization/follow-rbac.ts';
import { RbacObjects } from '#apiserver/authorization/rbac-objects.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import type { Revision } from '#store/store.ts';

const KEY = '/registry/rbac/roles/a/r';

function role(verb: string): string {
  return JSON.stringify({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { namespace: 'a', name: 'r' },
    rules: [{ verbs: [verb], apiGroups: [''], resources: ['pods'] }],
  });
}

/** Resolves when the role that is known has this verb, or none is known. */
async function known(objects: RbacObjects, verb: string | undefined): Promise<void> {
  for (let turn = 0; turn < 1000; turn += 1) {
    if (objects.role('a', 'r')?.rules?.[0]?.verbs[0] === verb) return;
    await new Promise(setImmediate);
  }
  assert.fail(`the role never came to be ${verb}`);
}

test('rbac: what the store holds is known from the start, and every change soon after', async () => {
  await using store = await openMemoryStore();
  await store.create(KEY, role('get'));
  const stop = new AbortController();
  const objects = new RbacObjects();
  const prefixes = { Role: '/registry/rbac/roles/' };
  await followRbac(objects, {
    store,
    prefixes,
    clock: systemClock,
    log: silentLog,
    signal: stop.signal,
  });
  assert.deepEqual(objects.role('a', 'r')?.rules?.[0]?.verbs, ['get']);
  const entry = await store.update(KEY, role('list'), 1 as Revision);
  await known(objects, 'list');
  await store.delete(KEY, entry.modified);
  await known(objects, undefined);
  stop.abort();
});
