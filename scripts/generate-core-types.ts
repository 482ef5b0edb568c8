/**
 * Writes src/api/generated/: for each group and version of Kubernetes' own that knode serves, its schemas as JSON
 * (descriptions left out) and its types as TypeScript, from /openapi/v3 of a real kube-apiserver. The programs are those
 * that `../shared/kubernetes/build` makes; KUBE_HOME says where they are.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { renderTypes, type Definitions } from './render-types.ts';

const GROUP_VERSIONS = [
  'api/v1',
  'apis/apps/v1',
  'apis/batch/v1',
  'apis/autoscaling/v1',
  'apis/autoscaling/v2',
  'apis/rbac.authorization.k8s.io/v1',
  'apis/discovery.k8s.io/v1',
  'apis/coordination.k8s.io/v1',
  'apis/events.k8s.io/v1',
  'apis/admissionregistration.k8s.io/v1',
  'apis/apiextensions.k8s.io/v1',
  'apis/apiregistration.k8s.io/v1',
  'apis/authentication.k8s.io/v1',
  'apis/authorization.k8s.io/v1',
  'apis/policy/v1',
  'apis/scheduling.k8s.io/v1',
  'apis/networking.k8s.io/v1',
  'apis/storage.k8s.io/v1',
];
const TOKEN = randomUUID();
const READY_MS = 60_000;
const ANSWER_MS = 30_000;
const [ETCD_PORT = 0, PEER_PORT = 0, API_PORT = 0] = await freePorts(3);
const out = path.resolve(process.argv[2] ?? 'src/api/generated');
const bin = path.join(
  process.env['KUBE_HOME'] ??
    path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'real-kubernetes'),
  'bin',
);

const home = mkdtempSync(path.join(tmpdir(), 'knode-openapi-'));
const children: ChildProcess[] = [];
// Told to stop, by a person or by a time limit, it takes its servers with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().then(() => process.exit(1)));
}
try {
  startEtcd();
  startApiServer();
  await serverReady();
  await generate();
} finally {
  await cleanUp();
}

async function cleanUp(): Promise<void> {
  const running = children.filter((child) => child.pid !== undefined && child.exitCode === null);
  const ended = running.map((child) => once(child, 'exit'));
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(ended);
  rmSync(home, { recursive: true, force: true });
}

function startEtcd(): void {
  const client = `http://127.0.0.1:${ETCD_PORT}`;
  const peer = `http://127.0.0.1:${PEER_PORT}`;
  start('etcd', [
    `--data-dir=${home}/etcd`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--log-level=error',
  ]);
}

function startApiServer(): void {
  const key = `${home}/sa.key`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(key, privateKey.export({ type: 'pkcs1', format: 'pem' }));
  writeFileSync(`${home}/tokens.csv`, `${TOKEN},generator,generator\n`);
  start('kube-apiserver', [
    `--etcd-servers=http://127.0.0.1:${ETCD_PORT}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${API_PORT}`,
    `--cert-dir=${home}/certs`,
    '--service-cluster-ip-range=10.96.0.0/16',
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--authorization-mode=AlwaysAllow',
    `--token-auth-file=${home}/tokens.csv`,
  ]);
}

async function serverReady(): Promise<void> {
  const late = AbortSignal.timeout(READY_MS);
  for (;;) {
    const ended = children.find(({ exitCode, pid }) => exitCode !== null || pid === undefined);
    if (ended) {
      throw new Error(
        `Cannot generate: ${ended.spawnfile} did not run; ../shared/kubernetes/build makes it`,
      );
    }
    if (late.aborted) throw new Error('Cannot generate: kube-apiserver was not ready in a minute');
    if ((await fetchText('/readyz').catch(() => '')) === 'ok') return;
    await delay(250);
  }
}

function start(program: string, args: readonly string[]): void {
  const child = spawn(path.join(bin, program), args, { stdio: 'ignore' });
  // A program that is not there has no pid, which serverReady() sees.
  child.on('error', () => undefined);
  children.push(child);
}

/** All held at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}

async function fetchText(target: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // A throw-away server on loopback with a self-signed certificate of its own making.
  const options = {
    host: '127.0.0.1',
    port: API_PORT,
    path: target,
    headers: { authorization: `Bearer ${TOKEN}` },
    rejectUnauthorized: false,
    signal: AbortSignal.timeout(ANSWER_MS),
  };
  https
    .get(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
    })
    .on('error', reject);
  return await promise;
}

async function generate(): Promise<void> {
  const version = JSON.parse(await fetchText('/version')) as { gitVersion: string };
  const all: Definitions = {};
  for (const groupVersion of GROUP_VERSIONS) {
    const document = JSON.parse(await fetchText(`/openapi/v3/${groupVersion}`)) as {
      components: { schemas: Definitions };
    };
    Object.assign(all, document.components.schemas);
  }
  mkdirSync(out, { recursive: true });
  const stamp = `Generated by scripts/generate-core-types.ts from Kubernetes ${version.gitVersion}; do not edit.`;
  for (const [file, text] of renderTypes(all, stamp)) writeFileSync(path.join(out, file), text);
}
