import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

interface Report {
  readonly isReady: boolean;
  readonly chain: readonly { readonly kind: string; readonly reason: string }[];
  readonly events: readonly string[];
  readonly lastWords: readonly string[];
  readonly scale: string;
  readonly next: string;
}

async function why(it: Platform, name: string): Promise<Report> {
  const { code, stdout, stderr } = await it.knode('why', name, '-o', 'json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Report;
}

/** Once its chain ends with that reason. */
async function ends(it: Platform, name: string, reason: string): Promise<Report> {
  const deadline = AbortSignal.timeout(60_000);
  for (;;) {
    const report = await why(it, name);
    if (report.chain.at(-1)?.reason === reason) return report;
    assert.ok(!deadline.aborted, JSON.stringify(report));
  }
}

test('why: each Service that is not Ready says the root of it, and what to do', async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  const script = (text: string): object => ({ image, command: ['node', '-e', text] });
  const service = (name: string, container: object, spec: object = {}): string =>
    stringify({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name },
      spec: { template: { spec: { containers: [container] } }, ...spec },
    });
  const serving = "require('node:http').createServer((q, s) => s.end()).listen(process.env.PORT)";
  const services = [
    service('well', script(serving)),
    service('absent', { image: image.replace(/[^/]+$/, 'nobody:1') }),
    service('crash', script("console.error('no \\u001b[31mdatabase'); process.exit(3)")),
    service('deaf', script("console.log('elsewhere'); setTimeout(() => {}, 1e6)")),
    service('big', { ...script(serving), resources: { requests: { memory: '900Gi' } } }),
    service('unset', { ...script(serving), envFrom: [{ configMapRef: { name: 'missing' } }] }),
    service('refused', { ...script(serving), env: [{ name: 'a=b', value: 'c' }] }),
    service('lost', script(serving), { traffic: [{ revisionName: 'lost-00009', percent: 100 }] }),
  ];
  await it.ok(['apply', '-f', '-'], services.join('---\n'));

  const crash = await ends(it, 'crash', 'CrashLoopBackOff');
  assert.match(crash.lastWords.join('\n'), /database/);
  assert.match(crash.next, /ends by itself/);
  const refused = await ends(it, 'refused', 'InternalError');
  assert.match(refused.next, /refused: mend that/);
  const deaf = await ends(it, 'deaf', 'NotReady');
  assert.deepEqual(deaf.lastWords, ['elsewhere']);
  assert.match(deaf.next, /\$PORT/);
  const big = await ends(it, 'big', 'Unschedulable');
  assert.match(big.events.join('\n'), /FailedScheduling.+Insufficient memory/);
  const unset = await ends(it, 'unset', 'CreateContainerConfigError');
  assert.match(unset.next, /ConfigMap/);
  const absent = await ends(it, 'absent', 'ContainerMissing');
  assert.match(absent.next, /knode image list/);
  await it.ok(['wait', 'ksvc/well', '--for=condition=Ready', '--timeout=60s']);
  assert.match((await why(it, 'well')).next, /Nothing/);
  await it.ok(['wait', 'configuration/lost', '--for=condition=Ready', '--timeout=60s']);
  const lost = await ends(it, 'lost', 'RevisionMissing');
  assert.equal(lost.chain.at(-1)?.kind, 'Route');

  // As people read it: a program's words never drive their terminal.
  const { stdout } = await it.knode('why', 'crash');
  assert.match(stdout, /^Service crash is not ready\./);
  assert.match(stdout, /└─ ✖ Pod crash-00001-deployment-\S+ {2}CrashLoopBackOff\n/);
  assert.match(stdout, /^Its last words:\n.*database$/m);
  assert.ok(!stdout.includes('\u001B[31md'), stdout);
  const nobody = await it.knode('why', 'nobody');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /There is no Service nobody in namespace default/);
});
