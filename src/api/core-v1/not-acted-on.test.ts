import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podWarnings } from '#api/core-v1/pod-warnings.ts';

test('fields that nothing acts on are named by their paths, and nothing else is', () => {
  const containers = [{ name: 'a', image: 'b' }];
  assert.deepEqual(podWarnings({ spec: { containers, terminationGracePeriodSeconds: 30 } }), []);
  const [first = { name: '' }] = containers;
  const spec = {
    overhead: { cpu: '1' },
    containers: [{ ...first, securityContext: { seLinuxOptions: { level: 's0' } } }],
  };
  assert.deepEqual(podWarnings({ spec }, 'spec.template.'), [
    'spec.template.spec.overhead: stored, but not acted on yet',
    'spec.template.spec.containers[0].securityContext.seLinuxOptions: stored, but not acted on yet',
  ]);
});
