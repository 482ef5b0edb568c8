import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { startPebble } from '#test/support/pebble.ts';
import { pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const SYSTEM = ['-n', 'knative-serving'];
const READY = ['--for=condition=Ready', '--timeout=60s'];

async function say(it: Platform, name: string, data: Record<string, string>): Promise<void> {
  const patch = ['--type=merge', '-p', JSON.stringify({ data })];
  await it.ok([...SYSTEM, 'patch', `configmap/${name}`, ...patch]);
}

async function apply(it: Platform, name: string, image: string): Promise<void> {
  const service = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template: { spec: { containers: [{ image }] } } },
  };
  await it.ok(['apply', '-f', '-'], stringify(service));
}

async function read(it: Platform, object: string, jsonPath: string): Promise<string> {
  return await it.ok(['get', object, '-o', `jsonpath={${jsonPath}}`]);
}

interface Secure {
  readonly status: number | undefined;
  readonly body: string;
  readonly issuer: string | undefined;
}

/** As a client that trusts `ca` alone and has the host's address by itself. */
async function secure(url: string, ca: string): Promise<Secure> {
  const { hostname, host, port } = new URL(url);
  const at = { host: '127.0.0.1', port: port === '' ? 443 : Number(port), servername: hostname };
  const request = https.get({ ...at, ca, headers: { host }, agent: false, timeout: 30_000 });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const { issuer } = (response.socket as TLSSocket).getPeerCertificate();
  const { statusCode: status } = response;
  return { status, body: await text(response), issuer: String(issuer.CN) };
}

test('certificates: hosts have TLS from the cluster itself, and who comes without is sent there', async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  await say(it, 'config-network', {
    'external-domain-tls': 'Enabled',
    'cluster-local-domain-tls': 'Enabled',
  });
  await apply(it, 'hello', image);
  await it.ok(['wait', 'ksvc/hello', ...READY]);
  const url = await read(it, 'ksvc/hello', '.status.url');
  assert.match(url, /^https:\/\/hello\.default\.localhost/);
  const address = await read(it, 'ksvc/hello', '.status.address.url');
  assert.equal(address, 'https://hello.default.svc.cluster.local');
  const bundle = [
    'get',
    'configmap/certificate-authority',
    '-o',
    String.raw`jsonpath={.data.ca\.crt}`,
  ];
  const authority = await it.ok([...SYSTEM, ...bundle]);
  const answer = await secure(url, authority);
  assert.deepEqual([answer.status, answer.issuer], [200, 'knode certificate authority']);
  const curled = await it.knode('curl', 'hello');
  assert.equal(curled.stdout, answer.body, curled.stderr);
  await say(it, 'config-network', { 'http-protocol': 'Redirected' });
  await it.ok([
    'wait',
    'king/hello',
    '--for=jsonpath={.spec.httpOption}=Redirected',
    '--timeout=30s',
  ]);
  await it.ok(['wait', 'king/hello', ...READY]);
  const plain = await plainly(it, 'hello.default.localhost');
  assert.deepEqual([plain.statusCode, plain.headers.location], [301, `${url}/`]);
  // The gateway reads certificates, and has no business with what signs them.
  const types = await it.ok([...SYSTEM, 'get', 'secrets', '-o', 'jsonpath={.items[*].type}']);
  assert.deepEqual(
    types
      .split(' ')
      .toSorted()
      .filter((type) => type === 'kubernetes.io/tls'),
    [],
  );
});

async function plainly(it: Platform, host: string): Promise<http.IncomingMessage> {
  const port = httpPortOf(it);
  const request = http.get({ host: '127.0.0.1', port, headers: { host }, agent: false });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  return response;
}

/** Where the gateway listens without TLS, as its record says. */
function httpPortOf({ home }: Platform): number {
  const record = JSON.parse(readFileSync(path.join(home, 'run', 'gateway.json'), 'utf8')) as {
    settings: string;
  };
  return (JSON.parse(record.settings) as { httpPort: number }).httpPort;
}

const HOST = 'shop.default.example.com';

test(
  'certificates: hosts that the world knows have them from an ACME server, whatever happens meanwhile',
  { timeout: 240_000 },
  async () => {
    await using it = await startPlatform();
    const image = await sampleImage(it);
    await using pebble = await startPebble(httpPortOf(it));
    await say(it, 'config-certmanager', pebble.settings);
    await say(it, 'config-domain', { 'example.com': '' });
    await say(it, 'config-network', {
      'external-domain-tls': 'Enabled',
      'autocreate-cluster-domain-claims': 'true',
      // Also who is not secure yet is sent to HTTPS; the server must get its proof all the same.
      'http-protocol': 'Redirected',
    });
    await apply(it, 'shop', image);
    await it.ok(['wait', 'ksvc/shop', ...READY]);
    const url = await read(it, 'ksvc/shop', '.status.url');
    assert.equal(new URL(url).hostname, HOST);
    const answer = await secure(url, pebble.root);
    assert.equal(answer.status, 200);
    assert.match(answer.issuer ?? '', /^Pebble Intermediate CA/);
    await nothingIsLeft(it);

    // Nobody is at the address that the world knows: that is said in the server's words, and tried again later.
    const lost = 'lost.example.org';
    await pebble.resolve(lost, '127.0.0.9');
    const mapping = {
      apiVersion: 'serving.knative.dev/v1beta1',
      kind: 'DomainMapping',
      metadata: { name: lost },
      spec: { ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'shop' } },
    };
    await it.ok(['apply', '-f', '-'], stringify(mapping));
    const isFailed = '--for=jsonpath={.status.conditions[?(@.type=="Ready")].status}=False';
    await it.ok(['wait', `kcert/${lost}`, isFailed, '--timeout=60s']);
    const said = await read(it, `kcert/${lost}`, '.status.conditions[0].message');
    assert.match(said, /^lost\.example\.org: .*127\.0\.0\.9.*; tried again at 20/);
    const provisioned = '.status.conditions[?(@.type=="CertificateProvisioned")].reason';
    assert.equal(await read(it, `dm/${lost}`, provisioned), 'CertificateProvisionFailed');
    await pebble.resolve(lost, '127.0.0.1');
    const order = await it.ok(['get', 'secrets', '-o', 'name', ...ORDERS]);
    await it.ok(['delete', order.trim()]);
    await it.ok(['wait', `dm/${lost}`, ...READY]);
    assert.equal(
      (await secure(await read(it, `dm/${lost}`, '.status.url'), pebble.root)).status,
      200,
    );

    // It is renewed, as if another server had given it; whoever comes after a killed process goes on with that, or, where
    // the server looked while nobody was there, begins anew after half a minute.
    const issuer = String.raw`{.metadata.annotations.knode\.dev/issuer}`;
    const before = await read(it, `secret/${lost}`, String.raw`.data.tls\.crt`);
    await it.ok(['annotate', '--overwrite', `secret/${lost}`, 'knode.dev/issuer=another']);
    const kept = it.kubectlInBackground(['get', `kcert/${lost}`, '-w', '-o', 'json']);
    await kept.until(/"http01Challenges"/);
    kept.kill();
    process.kill(pidOf(it.home, 'control'), 'SIGKILL');
    await eventually(it, 'control is not back', async () => {
      return (await it.kubectl(['get', '--raw', '/readyz'])).code === 0;
    });
    const renewing = '.status.conditions[?(@.type=="Renewing")].status';
    const ready = '.status.conditions[?(@.type=="Ready")].status';
    assert.equal(await read(it, `kcert/${lost}`, ready), 'True');
    const directory = pebble.settings['acme-directory'];
    await it.ok([
      'wait',
      `secret/${lost}`,
      `--for=jsonpath=${issuer}=${directory}`,
      '--timeout=100s',
    ]);
    assert.notEqual(await read(it, `secret/${lost}`, String.raw`.data.tls\.crt`), before);
    await eventually(it, 'it is renewed for ever', async () => {
      return (await read(it, `kcert/${lost}`, renewing)) === '';
    });
    const again = await read(it, `dm/${lost}`, '.status.url');
    assert.equal((await secure(again, pebble.root)).status, 200);
    await nothingIsLeft(it);
  },
);

const WITHIN_MS = 60_000;

async function eventually(
  it: Platform,
  complaint: string,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const deadlineMs = performance.now() + WITHIN_MS;
  while (!(await isSo()))
    assert.ok(performance.now() < deadlineMs, `${it.home}: ${complaint} in ${WITHIN_MS} ms`);
}

const ORDERS = ['--field-selector=type=knode.dev/acme-order'];

/** Of what orders need while they go on. */
async function nothingIsLeft(it: Platform): Promise<void> {
  assert.equal(await it.ok(['get', 'secrets', '-o', 'name', ...ORDERS]), '');
  const led = await it.ok(['get', 'services,endpointslices', '-o', 'name']);
  assert.deepEqual(
    led.split('\n').filter((name) => name.includes('/acme-')),
    [],
  );
}
