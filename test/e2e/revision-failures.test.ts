import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/** What real pods come to, in the words of the catalogue (serving specification §1.11) that tests of clients read. */

interface Wanted {
  readonly namespace?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly container: object;
}

async function applied(it: Platform, name: string, wanted: Wanted): Promise<void> {
  const { namespace = 'default', annotations = {}, container } = wanted;
  const template = { metadata: { annotations }, spec: { containers: [container] } };
  const metadata = { name, namespace };
  const service = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata };
  await it.ok(['apply', '-f', '-'], JSON.stringify({ ...service, spec: { template } }));
}

interface Expected {
  readonly type: 'ContainerHealthy' | 'ResourcesAvailable';
  readonly reason: string;
  readonly message: RegExp;
  readonly namespace?: string;
}

/** Resolves once the first revision says so, and all above it that they failed. */
async function fails(it: Platform, name: string, expected: Expected): Promise<void> {
  const { type, reason, message, namespace = 'default' } = expected;
  const at = ['-n', namespace];
  const condition = `{.status.conditions[?(@.type=="${type}")]`;
  const revision = `revision/${name}-00001`;
  await it.ok([
    'wait',
    ...at,
    revision,
    `--for=jsonpath=${condition}.reason}=${reason}`,
    '--timeout=100s',
  ]);
  const said = await it.ok(['get', ...at, revision, '-o', `jsonpath=${condition}.message}`]);
  assert.match(said, message, name);
  for (const kind of ['ksvc', 'configuration', 'route']) {
    await it.ok(['wait', ...at, `${kind}/${name}`, '--for=condition=Ready=False', '--timeout=60s']);
    const ready = '{.status.conditions[?(@.type=="Ready")]';
    const why = `jsonpath=${ready}.reason}: ${ready}.message}`;
    assert.match(await it.ok(['get', ...at, `${kind}/${name}`, '-o', why]), /^\w+: \S/, kind);
  }
}

test('revisions that fail say why, up to their Services', { timeout: 240_000 }, async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  const runs = (script: string): object => ({ image, command: ['node', '-e', script] });
  const serving = "require('node:http').createServer((q, s) => s.end()).listen(process.env.PORT)";
  const absent = image.replace(/[^/]+$/, 'nobody:1');
  const soon = { 'serving.knative.dev/progress-deadline': '5s' };
  await it.ok(['create', 'namespace', 'small']);
  await it.ok(['create', 'quota', 'rq', '-n', 'small', '--hard=cpu=50m']);

  await applied(it, 'absent', { container: { image: absent } });
  await applied(it, 'silent', { container: runs('setTimeout(() => process.exit(0), 500)') });
  const words = "setTimeout(() => { console.error('no such table'); process.exit(5); }, 500)";
  await applied(it, 'words', { container: runs(words) });
  const told = "require('fs').writeFileSync('/dev/termination-log', 'told'); process.exit(7)";
  await applied(it, 'told', { container: runs(told) });
  await applied(it, 'big', {
    container: { ...runs(serving), resources: { requests: { cpu: '900' } } },
  });
  const resources = { requests: { cpu: '500m' }, limits: { cpu: '500m' } };
  await applied(it, 'bounded', { namespace: 'small', container: { ...runs(serving), resources } });
  await applied(it, 'deaf', { annotations: soon, container: runs('setTimeout(() => {}, 1e6)') });

  await fails(it, 'absent', {
    type: 'ContainerHealthy',
    reason: 'ContainerMissing',
    message: new RegExp(
      `^Unable to fetch image "${absent}": failed to resolve image to digest: \\S`,
    ),
  });
  await fails(it, 'silent', {
    type: 'ContainerHealthy',
    reason: 'ExitCode0',
    message: /^Container failed with: container exited with no error$/,
  });
  await fails(it, 'words', {
    type: 'ContainerHealthy',
    reason: 'ExitCode5',
    message: /^Container failed with: no such table\s*$/,
  });
  await fails(it, 'told', {
    type: 'ContainerHealthy',
    reason: 'ExitCode7',
    message: /^Container failed with: told$/,
  });
  await fails(it, 'big', {
    type: 'ResourcesAvailable',
    reason: 'Unschedulable',
    message: /Insufficient cpu/,
  });
  await fails(it, 'bounded', {
    type: 'ResourcesAvailable',
    reason: 'FailedCreate',
    message: /forbidden: exceeded quota: rq/,
    namespace: 'small',
  });
  await fails(it, 'deaf', {
    type: 'ResourcesAvailable',
    reason: 'ProgressDeadlineExceeded',
    message: /has timed out progressing|Initial scale was never achieved/,
  });

  // Of a registry that is not asked for digests, the pod itself finds out.
  const registry = new URL(`http://${image}`).host;
  const skipping = { data: { 'registries-skipping-tag-resolving': registry } };
  const config = ['-n', 'knative-serving', 'configmap/config-deployment', '--type=merge'];
  await it.ok(['patch', ...config, '-p', JSON.stringify(skipping)]);
  await applied(it, 'unpulled', { annotations: soon, container: { image: absent } });
  const waiting = ['wait', 'revision/unpulled-00001', '--timeout=100s'];
  await it.ok([...waiting, '--for=condition=ResourcesAvailable=False']);
  const reason = '{.status.conditions[?(@.type=="ResourcesAvailable")].reason}';
  const found = await it.ok(['get', 'revision/unpulled-00001', '-o', `jsonpath=${reason}`]);
  assert.match(found, /^(ErrImagePull|ImagePullBackOff|ProgressDeadlineExceeded)$/);
  await it.ok([...waiting, `--for=jsonpath=${reason}=ImagePullBackOff`]);
  const digest = '{.status.containerStatuses[0].imageDigest}';
  assert.equal(await it.ok(['get', 'revision/unpulled-00001', '-o', `jsonpath=${digest}`]), '');
});
