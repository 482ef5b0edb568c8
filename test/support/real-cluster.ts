import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { sleep, systemClock } from '#base/clock.ts';
import { kubeconfigText } from '#apiserver/pki/kubeconfig.ts';
import { openPki } from '#apiserver/pki/pki.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { choosePort } from '#supervisor/ports.ts';
import type { BareCluster } from './embedded-cluster.ts';
import { wireClient } from './wire.ts';

const READY_WITHIN_MS = 45_000;
const LOOK_AGAIN_MS = 100;

/**
 * A real etcd, kube-apiserver, kube-controller-manager and kube-scheduler on free ports, with their state in `home`; disposing ends them.
 * The programs are those that `../shared/kubernetes/build` makes; KUBE_HOME says where they are.
 */
export async function startRealCluster(
  home: string,
  {
    isFlushed = false,
  }: { /** etcd waits for the disk with each write. */ readonly isFlushed?: boolean } = {},
): Promise<BareCluster> {
  await using resources = new AsyncDisposableStack();
  const programs: Program[] = [];
  const start = (name: string, flags: readonly string[]): void =>
    void programs.push(resources.use(startProgram(name, flags, home)));
  const [etcdPort, peerPort, apiPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const etcd = `http://127.0.0.1:${etcdPort}`;
  const files = await writeCredentials(home, `https://127.0.0.1:${apiPort}`);

  start('etcd', [
    `--data-dir=${path.join(home, 'etcd')}`,
    `--listen-client-urls=${etcd}`,
    `--advertise-client-urls=${etcd}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    ...(isFlushed ? [] : ['--unsafe-no-fsync']),
    '--log-level=warn',
  ]);
  start('kube-apiserver', [
    `--etcd-servers=${etcd}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${apiPort}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    `--client-ca-file=${files.authority}`,
    `--tls-cert-file=${files.server}`,
    `--tls-private-key-file=${files.server}`,
    `--service-account-key-file=${files.tokenKey}`,
    `--service-account-signing-key-file=${files.tokenKey}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--authorization-mode=Node,RBAC',
    '--allow-privileged=true',
  ]);
  const kubeconfig = await readFile(files.admin, 'utf8');
  // The others give up soon where the roles that they need are not there yet.
  await untilThere('/readyz', { kubeconfig, programs });
  start('kube-controller-manager', [
    `--kubeconfig=${files.controllers}`,
    '--secure-port=0',
    '--leader-elect=false',
    // A suite that makes a namespace for each test keeps it busier than it means to be by itself.
    '--kube-api-qps=200',
    '--kube-api-burst=400',
    // Its own certificate may not write the rules of aggregated roles; the controller's account may.
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${files.tokenKey}`,
    `--root-ca-file=${files.authority}`,
    '--horizontal-pod-autoscaler-sync-period=1s', // A test that waits for it need not wait fifteen.
  ]);
  start('kube-scheduler', [
    `--kubeconfig=${files.scheduler}`,
    '--secure-port=0',
    '--leader-elect=false',
  ]);
  await untilThere('/api/v1/namespaces/default/serviceaccounts/default', { kubeconfig, programs });
  const owned = resources.move();
  return {
    kubeconfig,
    compact: async (resourceVersion) => await compactEtcd(etcd, resourceVersion),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

async function freePort(): Promise<number> {
  return await choosePort(0, '--port');
}

interface Program extends AsyncDisposable {
  /** Fails where it has ended, with what it said last. */
  assertRunning(): void;
}

function startProgram(name: string, flags: readonly string[], home: string): Program {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  const kubeHome = process.env['KUBE_HOME'] ?? path.join(cache, 'real-kubernetes');
  const file = path.join(kubeHome, 'bin', name);
  assert.ok(existsSync(file), `Cannot run ${file}: ../shared/kubernetes/build makes it`);
  const logFile = path.join(home, `${name}.log`);
  const log = openSync(logFile, 'w');
  const child = spawn(file, flags, { stdio: ['ignore', log, log] });
  closeSync(log);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  // Whoever ends this process by a failure leaves nothing behind either.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  return {
    assertRunning() {
      if (hasEnded()) assert.fail(`${name} ended: ${readFileSync(logFile, 'utf8').slice(-1_000)}`);
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', kill);
      if (hasEnded()) return;
      const ended = once(child, 'exit');
      kill();
      await ended;
    },
  };
}

interface CredentialFiles {
  readonly authority: string;
  readonly server: string;
  readonly tokenKey: string;
  readonly admin: string;
  readonly controllers: string;
  readonly scheduler: string;
}

/** Certificates of our own making are good enough for everybody. */
async function writeCredentials(home: string, server: string): Promise<CredentialFiles> {
  await mkdir(home, { recursive: true });
  const pki = await openPki({ home, clock: systemClock });
  const { authority } = pki;
  const write = async (name: string, text: string): Promise<string> => {
    const file = path.join(home, name);
    await writeFile(file, text, { mode: 0o600 });
    return file;
  };
  const { certificate, key } = await pki.server(['localhost', '127.0.0.1']);
  const subjects = {
    admin: { commonName: 'admin', organizations: ['system:masters'] },
    controllers: { commonName: 'system:kube-controller-manager' },
    scheduler: { commonName: 'system:kube-scheduler' },
  };
  const kubeconfigOf = async (user: keyof typeof subjects): Promise<string> => {
    const client = await pki.client(user, subjects[user]);
    return await write(`${user}.kubeconfig`, kubeconfigText({ server, authority, client }));
  };
  return {
    authority: await write('ca.crt', authority),
    server: await write('server.pem', `${certificate}\n${key}`),
    tokenKey: await write('service-account.key', sec1(await pki.tokenKey())),
    admin: await kubeconfigOf('admin'),
    controllers: await kubeconfigOf('controllers'),
    scheduler: await kubeconfigOf('scheduler'),
  };
}

/** The one form of an elliptic key that kube-apiserver takes for signing and for verifying. */
function sec1(key: string): string {
  return createPrivateKey(key).export({ type: 'sec1', format: 'pem' }).toString();
}

/** Resolves when the API server has something there; rejects where a program ends before. */
async function untilThere(
  target: string,
  { kubeconfig, programs }: { readonly kubeconfig: string; readonly programs: readonly Program[] },
): Promise<void> {
  await using transport = httpsTransport(parseKubeconfig(kubeconfig));
  const client = wireClient(transport.send);
  const isThere = async (): Promise<boolean> =>
    await client.send('GET', target).then(
      ({ status }) => status === 200,
      () => false,
    );
  const giveUpMs = systemClock.monotonicMs() + READY_WITHIN_MS;
  while (!(await isThere())) {
    for (const program of programs) program.assertRunning();
    const isLate = systemClock.monotonicMs() > giveUpMs;
    assert.ok(!isLate, `Kubernetes had no ${target} within ${READY_WITHIN_MS} ms`);
    await sleep(systemClock, LOOK_AGAIN_MS);
  }
}

/** By etcd's JSON gateway. */
async function compactEtcd(etcd: string, resourceVersion: string): Promise<void> {
  const body = JSON.stringify({ revision: resourceVersion, physical: true });
  const reply = await fetch(`${etcd}/v3/kv/compaction`, { method: 'POST', body });
  assert.equal(reply.status, 200, await reply.text());
}
