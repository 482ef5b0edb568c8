import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { isAdoptable } from '#controllers/serving/configuration/is-adoptable.ts';
import { fixture } from '#test/support/fixture.ts';

const configuration = (spec: string): Configuration =>
  fixture<Configuration>(`
apiVersion: serving.knative.dev/v1
kind: Configuration
metadata: { name: hello, uid: ours, generation: 3 }
spec: { template: { metadata: { name: hello-one }, spec: ${spec} } }
`);

const revision = (spec: string, { owner = 'ours', generation = 1 } = {}): Revision =>
  fixture<Revision>(`
apiVersion: serving.knative.dev/v1
kind: Revision
metadata:
  name: hello-one
  labels: { serving.knative.dev/configurationGeneration: "${generation}" }
  ownerReferences: [{ kind: Configuration, name: hello, uid: ${owner}, controller: true }]
spec: ${spec}
`);

const SPEC = '{ containers: [{ image: a, resources: { requests: { cpu: "500m" } } }] }';
const withCpu = (cpu: string): string => SPEC.replace('500m', cpu);
const withLinks = (value: boolean): string => SPEC.replace('{', `{ enableServiceLinks: ${value},`);

for (const [title, held, wanted, expected] of [
  ['the same', SPEC, SPEC, true],
  ['an amount in another form', withCpu('0.5'), SPEC, true],
  ['another amount', withCpu('0.6'), SPEC, false],
  ['links that only the revision says', withLinks(false), SPEC, true],
  ['links that only the template says', SPEC, withLinks(false), false],
  ['other links', withLinks(false), withLinks(true), false],
  ['another image', SPEC.replace('image: a', 'image: b'), SPEC, false],
] as const) {
  test(`a revision name used again: ${title} ${expected ? 'is' : 'is not'} the same thing`, () => {
    const [before, after] = [revision(held), configuration(wanted)];
    const written = structuredClone([before, after]);
    assert.equal(isAdoptable(before, after), expected);
    assert.deepEqual([before, after], written, 'they are only looked at');
  });
}

test('a revision name used again: what this generation has made counts, what others own does not', () => {
  const other = SPEC.replace('image: a', 'image: b');
  assert.ok(isAdoptable(revision(other, { generation: 3 }), configuration(SPEC)));
  assert.ok(!isAdoptable(revision(SPEC, { owner: 'theirs' }), configuration(SPEC)));
});
