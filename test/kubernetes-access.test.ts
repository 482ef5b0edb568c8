import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { servingKinds } from '#api/kinds.ts';

const FILE = path.resolve(import.meta.dirname, '../samples/kubernetes/access.yaml');

// What else the parts need is shown where they run as these accounts: `npm run kubernetes`.
test('samples/kubernetes/access.yaml: controllers may do everything with each kind of ours', () => {
  const objects = parseAllDocuments(readFileSync(FILE, 'utf8')).map(
    (document) => document.toJS() as ClusterRole,
  );
  const role = objects.find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'knode-controllers',
  );
  const rule = role?.rules?.find(({ resources }) => resources?.includes('*'));
  assert.deepEqual(
    new Set(rule?.apiGroups),
    new Set(servingKinds.map(({ group }) => group)),
    'the groups of its first rule are those of our kinds',
  );
});
