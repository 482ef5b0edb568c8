import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { Kind } from '#api/kind.ts';
import { servingKinds } from '#api/kinds.ts';
import type { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { kindsOf } from '#reconcile/run-controllers.ts';
import { servingStage } from '#test/support/serving-stage.ts';

const FILE = path.resolve(import.meta.dirname, '../samples/kubernetes/access.yaml');

function rules(name: string): NonNullable<ClusterRole['rules']> {
  const objects = parseAllDocuments(readFileSync(FILE, 'utf8')).map(
    (document) => document.toJS() as ClusterRole,
  );
  const found = objects.find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === name,
  );
  return found?.rules ?? [];
}

test('samples/kubernetes/access.yaml: controllers may do everything with each kind of ours', () => {
  const rule = rules('knode-controllers').find(({ resources }) => resources?.includes('*'));
  assert.deepEqual(
    new Set(rule?.apiGroups),
    new Set(servingKinds.map(({ group }) => group)),
    'the groups of its first rule are those of our kinds',
  );
});

// What else the parts need is shown where they run as these accounts: `npm run kubernetes`.
test('samples/kubernetes/access.yaml: controllers may watch all that they are told of', async () => {
  await using stage = await servingStage();
  const granted = rules('knode-controllers').filter(
    ({ verbs, resourceNames }) =>
      !resourceNames && ['list', 'watch'].every((verb) => verbs.includes(verb)),
  );
  const isGranted = ({ group, plural }: Kind): boolean =>
    granted.some(
      ({ apiGroups, resources }) =>
        apiGroups?.includes(group) && (resources?.includes('*') || resources?.includes(plural)),
    );
  const missing = stage.controllers.flatMap(kindsOf).filter((kind) => !isGranted(kind));
  assert.deepEqual([...new Set(missing.map(({ kind }) => kind))], []);
});
