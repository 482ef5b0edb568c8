import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { startCollector } from '#test/support/collector.ts';
import { call, startPlatform, type Platform } from '#test/support/platform.ts';
import { parsePrometheusText } from '#test/support/prometheus-parser.ts';
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

function patchOf(name: string, data: Readonly<Record<string, string>>): readonly string[] {
  const patch = JSON.stringify({ data });
  const configMap = `-n knative-serving patch configmap config-${name} --type merge -p`;
  return [...configMap.split(' '), patch];
}

/** The ConfigMap says this from now on. */
async function configure(name: string, data: Readonly<Record<string, string>>): Promise<void> {
  await it.ok(patchOf(name, data));
}

/** Once `look` finds what it looks for. */
async function found<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const untilMs = performance.now() + WAIT_MS;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    assert.ok(performance.now() < untilMs, `never there: ${what}`);
    await delay(ASK_AGAIN_MS / 10);
  }
}

test('a Service is seen by metrics, request log, spans and its cold starts, while all of it is configured', async () => {
  await using collector = await startCollector();
  const log = path.join(it.home, 'logs', 'gateway.log');
  await configure('observability', {
    'metrics-protocol': 'http/protobuf',
    'metrics-endpoint': `http://127.0.0.1:${collector.port}`,
    'metrics-export-interval': '1s',
    'request-metrics-protocol': 'prometheus',
    'request-metrics-endpoint': '127.0.0.1:0',
    'logging.enable-request-log': 'true',
    'logging.request-log-template': '{{.Request.Method}} {{.Response.Code}} {{.Revision.Service}}',
    'tracing-protocol': 'stdout',
    'tracing-sampling-rate': '1',
  });
  await configure('autoscaler', { 'allow-zero-initial-scale': 'true' });
  const deployed = await it.knode(
    'deploy',
    'seen',
    '--image',
    image,
    '--annotation',
    'autoscaling.knative.dev/initial-scale=0',
  );
  assert.equal(deployed.code, 0, deployed.stderr);
  const url = await it.ok(['get', 'ksvc', 'seen', '-o', 'jsonpath={.status.url}']);
  const told = /"metrics are told".*"at":"([^"]+)"/;
  const at = await found(
    'where the gateway tells',
    () => told.exec(readFileSync(log, 'utf8'))?.[1],
  );
  assert.equal((await call(url)).status, 200);
  const scrape = parsePrometheusText(await (await fetch(at)).text());
  const of = { kn_service_name: 'seen', kn_revision_name: 'seen-00001' };
  assert.equal(scrape.value('kn_serving_invocation_duration_seconds_count', of), 1);
  const requests = path.join(it.home, 'logs', 'requests.log');
  assert.equal(readFileSync(requests, 'utf8'), 'GET 200 seen\n');
  await found(
    'the spans of a cold start',
    () =>
      /"name":"throttler_try".*\n.*"name":"kn.queueproxy.proxy"/.exec(
        readFileSync(log, 'utf8'),
      )?.[0],
  );
  const raw = await it.ok(['get', '--raw', '/metrics']);
  const total = { ...of, stage: 'total' };
  assert.equal(parsePrometheusText(raw).value('knode_cold_start_duration_seconds_count', total), 1);
  const { stdout } = await it.knode('coldstarts', 'seen');
  assert.match(stdout, /^default\/seen-00001 {3}1 cold start$/m);
  assert.match(stdout, /^total +1 +\d+/m);
  const { message } = await collector.next();
  const names = message
    .message(1)
    .messages(2)
    .flatMap((scoped) => scoped.messages(2));
  assert.ok(names.some((metric) => metric.text(1) === 'kn.workqueue.depth'));
  await configure('observability', {
    'metrics-protocol': 'none',
    'metrics-endpoint': '',
    'request-metrics-protocol': 'none',
    'request-metrics-endpoint': '',
    'logging.enable-request-log': 'false',
    'tracing-protocol': 'none',
  });
  await found('that nobody is told any more', () =>
    fetch(at).then(
      () => undefined,
      () => true,
    ),
  );
});

test('what nobody could use is refused with a sentence', async () => {
  const data = { 'logging.request-log-template': '{{.Request.Nobody}}' };
  const { code, stderr } = await it.kubectl(patchOf('observability', data));
  assert.equal(code, 1);
  assert.match(stderr, /template: requestLog: can't evaluate field Nobody/);
});
