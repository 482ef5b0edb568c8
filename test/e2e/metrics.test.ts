import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/** A round of measuring and more: nobody tells when one is over, so what it brings is asked for. */
const WAIT_MS = 90_000;
const ASK_AGAIN_MS = 1_000;

let it: Platform;
let image: string;
before(async () => {
  it = await startPlatform();
  image = await sampleImage(it);
});
after(async () => await it[Symbol.asyncDispose]());

/** What kubectl prints once it matches. */
async function printed(args: readonly string[], pattern: RegExp): Promise<string> {
  const untilMs = performance.now() + WAIT_MS;
  for (;;) {
    const { stdout, stderr } = await it.kubectl(args);
    if (pattern.test(stdout)) return stdout;
    assert.ok(
      performance.now() < untilMs,
      `kubectl ${args.join(' ')} never said ${pattern}: ${stdout}${stderr}`,
    );
    await delay(ASK_AGAIN_MS);
  }
}

const BUSY = 'for (;;);';

function busyDeployment(): string {
  const resources = { requests: { cpu: '20m' }, limits: { cpu: '100m' } };
  const container = { name: 'main', image, command: ['node', '-e', BUSY], resources };
  const metadata = { labels: { app: 'busy' } };
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'busy', namespace: 'default' },
    spec: {
      replicas: 1,
      selector: { matchLabels: metadata.labels },
      template: {
        metadata,
        spec: { containers: [container], terminationGracePeriodSeconds: 0 },
      },
    },
  });
}

test('kubectl top: says what pods, their containers and the node use', async () => {
  await it.ok(['apply', '-f', '-'], busyDeployment());
  await it.ok(['wait', 'deployment/busy', '--for=condition=Available', '--timeout=60s']);
  const pods = await printed(['top', 'pods', '-l', 'app=busy'], /^busy-\S+\s+\d+m\s+\d+Mi/m);
  const [, cpu = '0', memory = '0'] = /^busy-\S+\s+(\d+)m\s+(\d+)Mi/m.exec(pods) ?? [];
  assert.ok(Number(cpu) > 20 && Number(cpu) < 200, `a program held to 100m uses ${cpu}m`);
  assert.ok(Number(memory) > 1, `a Node uses ${memory}Mi`);
  await printed(['top', 'pods', '--containers', '--all-namespaces'], /busy-\S+\s+main\s+\d+m/);
  await printed(['top', 'nodes'], /^\S+\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/m);
  await printed(['get', 'pods.metrics.k8s.io'], /^busy-\S+\s+\S+\s+\S+\s+\d+(\.\d+)?s/m);
});

test('kubectl autoscale: a busy Deployment grows', async () => {
  await it.ok(['autoscale', 'deployment', 'busy', '--cpu=50%', '--min=1', '--max=2']);
  await printed(['get', 'deployment', 'busy', '-o', 'jsonpath={.spec.replicas}'], /^2$/);
  await printed(
    ['get', 'hpa', 'busy', '--no-headers'],
    /Deployment\/busy\s+cpu: \d+%\/50%\s+1\s+2\s+2/,
  );
  const described = await it.ok(['describe', 'hpa', 'busy']);
  assert.match(described, /ScalingActive\s+True\s+ValidMetricFound/);
  assert.match(described, /SuccessfulRescale .*New size: 2; reason: cpu resource utilization/);
});
