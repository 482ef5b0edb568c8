import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindErrors } from '#api/kind-errors.ts';
import { defaultSettings, withConfigMap } from '#api/serving-config/config-maps.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { fixture } from '#test/support/fixture.ts';

const BEING_DELETED = 'deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [foregroundDeletion]';

function configuration(metadata: string, image = 'a'): Configuration {
  return fixture<Configuration>(`
    apiVersion: serving.knative.dev/v1
    kind: Configuration
    metadata: { name: hello, namespace: default, ${metadata} }
    spec: { template: { spec: { initContainers: [{ image: b }], containers: [{ image: ${image} }] } } }
  `);
}

test('what is being deleted is not judged again by settings that have changed, unless it changes itself', () => {
  const complaintsAt = (
    previous: Configuration,
    object: Configuration,
    initContainers = 'Disabled',
  ): readonly string[] => {
    const data = { 'kubernetes.podspec-init-containers': initContainers };
    const serving = withConfigMap(defaultSettings, 'config-features', data);
    const context = { operation: 'UPDATE', username: 'ann', serving, previous } as const;
    return kindErrors(Configuration, object, context).map(({ message }) => message);
  };
  const before = configuration('labels: { a: b }');
  const refused = [
    'must not set the field(s)',
    'pod spec support for init-containers is off, but found 1 init containers',
  ];
  assert.deepEqual(complaintsAt(before, before, 'Enabled'), []);
  assert.deepEqual(complaintsAt(before, before), refused);
  const leaving = configuration(BEING_DELETED);
  assert.deepEqual(complaintsAt(leaving, configuration('')), []);
  assert.deepEqual(complaintsAt(leaving, configuration('', 'c')), refused);
});
