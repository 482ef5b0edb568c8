import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type Answer, ask, type Ask } from '#test/support/gateway-bed.ts';
import { startServingCluster, type ServingCluster } from '#test/support/serving-cluster.ts';
import { makeAuthority } from '#test/support/test-authority.ts';

// Ingress objects alone, whoever writes them, before pods that no Revision made.

const PROGRAM = `
import { createServer } from 'node:http';
createServer((request, response) => {
  response.end(JSON.stringify({ name: process.env.NAME, headers: request.headers }));
}).listen(8080);
`;
const NAMESPACE = 'ingresses';
const HOST = 'shop.example.org';
const timeout = 240_000;

const authority = makeAuthority();
let cluster: ServingCluster;

async function inNamespace(args: readonly string[], input?: object): Promise<string> {
  const text = input && JSON.stringify(input);
  return await cluster.ok(['-n', NAMESPACE, ...args], text);
}

before(
  async () => {
    cluster = await startServingCluster();
    const source = mkdtempSync(path.join(tmpdir(), 'knode-program-'));
    writeFileSync(path.join(source, 'server.mjs'), PROGRAM);
    const image = await cluster.push('names', source);
    rmSync(source, { recursive: true });
    await cluster.ok(['create', 'namespace', NAMESPACE]);
    for (const name of ['one', 'two']) {
      const labels = { app: name };
      const env = [{ name: 'NAME', value: name }];
      const spec = { containers: [{ name: 'app', image, env }] };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec };
      const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
      const service = { apiVersion: 'v1', kind: 'Service', metadata: { name } };
      await inNamespace(['apply', '-f', '-'], pod);
      await inNamespace(['apply', '-f', '-'], { ...service, spec: { selector: labels, ports } });
    }
    await inNamespace(['wait', '--for=condition=Ready', 'pod/one', 'pod/two', '--timeout=100s']);
  },
  { timeout },
);
after(
  async () => {
    await using _ = cluster;
    assert.deepEqual(cluster.complaints(), []);
    await cluster.ok(['delete', 'namespace', NAMESPACE, '--timeout=100s']);
  },
  { timeout },
);

function split(serviceName: string, percent: number, servicePort: number | string = 'http') {
  return { serviceNamespace: NAMESPACE, serviceName, servicePort, percent };
}

/** Writes the Ingress `shop` and resolves when this very version is served. */
async function apply(spec: object): Promise<void> {
  const annotations = {
    'networking.knative.dev/ingress.class': 'knode.ingress.networking.knative.dev',
  };
  await inNamespace(['apply', '-f', '-'], {
    apiVersion: 'networking.internal.knative.dev/v1alpha1',
    kind: 'Ingress',
    metadata: { name: 'shop', annotations },
    spec,
  });
  await inNamespace(['wait', '--for=condition=Ready', 'king/shop', '--timeout=60s']);
}

async function secret(names: readonly string[]): Promise<void> {
  const { certificate, key } = authority.serverFor(...names);
  await inNamespace(['apply', '-f', '-'], {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'shop' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': certificate, 'tls.key': key },
  });
}

async function plain(options: Partial<Ask> = {}): Promise<Answer> {
  return await ask(cluster.gateway.http, { host: HOST, ...options });
}

async function secure(options: Partial<Ask> = {}): Promise<Answer> {
  const { certificate } = authority;
  return await ask(cluster.gateway.https, { host: HOST, authority: certificate, ...options });
}

const REFUSED = 'unrecognized name';
/** What a pod finds where nothing leads to the gateway yet. */
const UNREACHED = ['ECONNREFUSED', 'ETIMEDOUT'];
const nameOf = ({ body }: Answer): string => (JSON.parse(body) as { name: string }).name;

test(
  'a host is served over TLS by the Secret that its Ingress names, and plain requests are sent there',
  { timeout },
  async () => {
    await secret([HOST]);
    const rules = [{ hosts: [HOST], http: { paths: [{ splits: [split('one', 100)] }] } }];
    const tls = [{ hosts: [HOST], secretName: 'shop', secretNamespace: NAMESPACE }];
    await apply({ rules, tls });
    assert.equal(nameOf(await plain()), 'one');
    const answer = await secure();
    assert.equal(nameOf(answer), 'one');
    assert.match(answer.body, /"x-forwarded-proto":"https"/);
    await assert.rejects(secure({ host: 'other.example.org' }), /unrecognized name/);
    await apply({ rules, tls, httpOption: 'Redirected' });
    const moved = await plain({ path: '/a?b=c' });
    assert.equal(moved.status, 301);
    assert.equal(moved.headers.location, `https://${HOST}:${cluster.gateway.https}/a?b=c`);
    await inNamespace(['delete', 'secret', 'shop']);
    const missing =
      '--for=jsonpath={.status.conditions[?(@.type=="NetworkConfigured")].status}=Unknown';
    await inNamespace(['wait', missing, 'king/shop', '--timeout=60s']);
  },
);

/** The statuses, or codes of failures, that a pod gets for these URLs, whose hosts are the gateway's Services, when it asks for `host`. */
async function fromInside(host: string, urls: readonly string[]): Promise<readonly unknown[]> {
  const program = `
    const ask = (url) => new Promise((done, failed) => {
      const { get } = require(url.startsWith('https') ? 'node:https' : 'node:http');
      const options = { headers: { host: '${host}' }, servername: '${host}', rejectUnauthorized: false, timeout: 5000 };
      get(url, options, (answer) => done(answer.resume().statusCode))
        .on('timeout', function () { this.destroy(Object.assign(new Error(), { code: '${UNREACHED[1]}' })); })
        .on('error', ({ code, message }) => done(/unrecognized name/.exec(message)?.[0] ?? code));
    });
    Promise.all(${JSON.stringify(urls)}.map(ask)).then((all) => console.log(JSON.stringify(all)));`;
  return JSON.parse(await inNamespace(['exec', 'one', '--', 'node', '-e', program])) as unknown[];
}

test(
  'pods find the gateway by the names in the status; cluster-local hosts are served at the private one only',
  { timeout },
  async () => {
    const local = `shop.${NAMESPACE}.svc.cluster.local`;
    await secret([HOST, local]);
    const paths = [{ splits: [split('one', 50), split('two', 50)] }];
    await apply({
      rules: [
        { hosts: [HOST], http: { paths } },
        { hosts: [local], visibility: 'ClusterLocal', http: { paths } },
      ],
      tls: [{ secretName: 'shop', secretNamespace: NAMESPACE }],
    });
    const at = async (which: string): Promise<string[]> => {
      const name = `jsonpath={.status.${which}LoadBalancer.ingress[0].domainInternal}`;
      const host = await inNamespace(['get', 'king/shop', '-o', name]);
      return [`http://${host}/`, `https://${host}/`];
    };
    const urls = [...(await at('public')), ...(await at('private'))];
    // When a node's proxy leads to a Service is its own affair (kube-proxy tries again after half a minute where it could not
    // write its rules); until then connections are refused, or nobody takes them.
    const deadlineMs = performance.now() + 120_000;
    let found = await fromInside(HOST, urls);
    while (found.some((it) => UNREACHED.includes(String(it))) && performance.now() < deadlineMs) {
      found = await fromInside(HOST, urls);
    }
    assert.deepEqual(found, [200, 200, 200, 200]);
    // Over TLS a name that is not served gets no certificate, and so no answer.
    assert.deepEqual(await fromInside(local, urls), [404, REFUSED, 200, 200]);
    assert.equal((await plain({ host: local })).status, 404);
  },
);
