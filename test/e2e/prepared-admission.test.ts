import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { kubectlClients } from '#test/support/kubectl-client.ts';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';
import { startWebhookServer } from '#test/support/webhook-server.ts';

const WITHIN_MS = 30_000;

let it: Platform;
let image: string;

before(async () => {
  it = await startPlatform();
  image = await sampleImage(it);
});
after(async () => await it[Symbol.asyncDispose]());

interface Prepared {
  readonly ready: number;
  readonly used: number;
  readonly discarded: number;
}

/** What `knode status` counts, once it is so. */
async function preparedOnce(
  it: Platform,
  isSo: (prepared: Prepared) => boolean,
): Promise<Prepared> {
  const deadline = AbortSignal.timeout(WITHIN_MS);
  for (;;) {
    const { stdout } = await it.knode('status', '-o', 'json');
    const { prepared } = JSON.parse(stdout) as { prepared: Prepared };
    if (isSo(prepared)) return prepared;
    assert.ok(!deadline.aborted, JSON.stringify(prepared));
    await sleep(systemClock, 200);
  }
}

test('prepared: a webhook that refuses pods leaves none, and one that is gone brings it back', async () => {
  await using hooks = await startWebhookServer();
  const apply = async (object: object): Promise<string> =>
    await it.ok(['apply', '-f', '-'], JSON.stringify(object));
  await apply({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', annotations: { 'knode.dev/prepared-sandboxes': '1' } },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'main', image }] },
      },
    },
  });
  const first = await preparedOnce(it, ({ ready }) => ready === 1);
  const status = { code: 403, message: 'not today' };
  hooks.answers.set('/pods', () => ({ allowed: false, status }));
  await apply({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'pods' },
    webhooks: [
      {
        name: 'pods.example.com',
        clientConfig: { url: `${hooks.url}/pods`, caBundle: hooks.caBundle },
        rules: [
          { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
        ],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  });
  const refused = await preparedOnce(it, ({ ready }) => ready === 0);
  assert.ok(refused.discarded > first.discarded);
  assert.ok(hooks.asked.length > 0, 'by dry run, as everybody who makes a pod');
  await it.ok(['delete', 'validatingwebhookconfiguration', 'pods']);
  await preparedOnce(it, ({ ready }) => ready === 1);
  // To people it is a pod like any other, once it is wanted, and nothing before.
  for (const client of kubectlClients(() => it)) {
    const pods = ['get', 'pods', '--no-headers', '-l', 'app=web'];
    assert.equal(await client.ok(pods), '');
    const { used } = await preparedOnce(it, ({ ready }) => ready === 1);
    await client.ok(['scale', 'deployment', 'web', '--replicas=1']);
    await client.ok(['rollout', 'status', 'deployment/web', '--timeout=50s']);
    const found = await client.ok(pods);
    assert.match(found, /^web-\w+-\w{5} +1\/1 +Running +0 /);
    const logs = ['logs', found.split(' ')[0] ?? ''];
    await client.until(async () => await client.ok(logs), /^listening on 8080$/m);
    assert.ok((await preparedOnce(it, () => true)).used > used, 'it was a prepared one');
    await client.ok(['scale', 'deployment', 'web', '--replicas=0']);
    await client.until(async () => await client.ok(pods), /^$/);
  }
  await it.ok(['delete', 'deployment', 'web']);
  await preparedOnce(it, ({ ready }) => ready === 0);
});

test('prepared: a program that is kept frozen has begun long before its pod is asked for', async () => {
  const server = `console.log('begun ' + Date.now());
    require('node:http').createServer((q, s) => s.end('here')).listen(8080)`;
  const container = {
    name: 'main',
    image,
    command: ['node', '-e', server],
    readinessProbe: { httpGet: { port: 8080 } },
  };
  for (const client of kubectlClients(() => it)) {
    const app = client.own('frozen');
    const labels = { app };
    const metadata = { labels, annotations: { 'knode.dev/freeze': 'true' } };
    const spec = { terminationGracePeriodSeconds: 0, containers: [container] };
    const template = { metadata, spec };
    await client.apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: app, annotations: { 'knode.dev/prepared-sandboxes': '1' } },
      spec: { replicas: 0, selector: { matchLabels: labels }, template },
    });
    await preparedOnce(it, ({ ready }) => ready === 1);
    const asked = systemClock.now().getTime();
    await client.ok(['scale', 'deployment', app, '--replicas=1']);
    await client.ok(['rollout', 'status', `deployment/${app}`, '--timeout=50s']);
    const said = await client.ok(['logs', `deployment/${app}`]);
    const [, begun = ''] = /^begun (\d+)$/m.exec(said) ?? [];
    assert.ok(Number(begun) < asked, `begun at ${begun}, asked for at ${asked}`);
    assert.ok(Number(begun) > 0, said);
    await client.ok(['delete', 'deployment', app]);
    await preparedOnce(it, ({ ready }) => ready === 0);
  }
});
