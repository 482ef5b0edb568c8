import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { choosePort } from '#supervisor/ports.ts';
import { foreignParts, type PartName } from '#test/support/foreign-parts.ts';
import { kubectlProgram, pidOf, run, startPlatform, type Outcome } from '#test/support/platform.ts';
import { startProgram } from '#test/support/program.ts';
import { pushFolder, pushImage } from '#test/support/sample-image.ts';

/**
 * Where Services run whose pods are real: a platform of our own, or with CLUSTER=real the Kubernetes that
 * `../shared/kubernetes/up` has started, with our controllers (two of them), webhook and gateway beside it.
 */
export interface ServingCluster extends AsyncDisposable {
  readonly isReal: boolean;
  /** Where it is on loopback. */
  readonly gateway: { readonly http: number; readonly https: number };
  /** As the administrator. */
  kubectl(args: readonly string[], input?: string): Promise<Outcome>;
  /** The text of a call that must succeed. */
  ok(args: readonly string[], input?: string): Promise<string>;
  /** Builds an image of a folder and puts it where nodes pull it from; returns its reference. */
  push(name: string, source: string): Promise<string>;
  /** Kills (-9) the process that reconciles; resolves when another, or its successor, does its work. */
  killLeader(): Promise<void>;
  /** What our parts complained of; of a platform of our own, nothing is looked at. */
  complaints(): readonly string[];
}

export async function startServingCluster(): Promise<ServingCluster> {
  return process.env['CLUSTER'] === 'real' ? await startOnKubernetes() : await startEmbedded();
}

const BACK_WITHIN_MS = 60_000;

async function startEmbedded(): Promise<ServingCluster> {
  const platform = await startPlatform();
  const { kubectl, ok } = calls(path.join(platform.home, 'kubeconfig'));
  return {
    kubectl,
    ok,
    isReal: false,
    gateway: gatewayPorts(platform.home),
    push: async (name, source) => await pushImage(platform, { name, source }),
    async killLeader() {
      const killed = pidOf(platform.home, 'control');
      process.kill(killed, 'SIGKILL');
      const deadlineMs = performance.now() + BACK_WITHIN_MS;
      while ((await kubectl(['get', '--raw', '/readyz'])).code !== 0)
        assert.ok(performance.now() < deadlineMs, `control is not back in ${BACK_WITHIN_MS} ms`);
      assert.notEqual(pidOf(platform.home, 'control'), killed);
    },
    complaints: () => [],
    [Symbol.asyncDispose]: async () => await platform[Symbol.asyncDispose](),
  };
}

function gatewayPorts(home: string): ServingCluster['gateway'] {
  const record = readFileSync(path.join(home, 'run', 'gateway.json'), 'utf8');
  const { settings } = JSON.parse(record) as { settings: string };
  const { httpPort, httpsPort } = JSON.parse(settings) as { httpPort: number; httpsPort: number };
  return { http: httpPort, https: httpsPort };
}

/** Where the nodes of that Kubernetes pull from without TLS. */
const REGISTRY = 'localhost:5000';

async function startOnKubernetes(): Promise<ServingCluster> {
  await using resources = new AsyncDisposableStack();
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  const kubeHome = process.env['KUBE_HOME'] ?? path.join(cache, 'real-kubernetes');
  const kubeconfig = path.join(kubeHome, 'run', 'admin.kubeconfig');
  const home = mkdtempSync(path.join(tmpdir(), 'knode-kubernetes-'));
  resources.defer(() => rmSync(home, { recursive: true, force: true }));
  resources.use(await startRegistry(home));
  const { kubectl, ok } = calls(kubeconfig);
  const parts = resources.use(await foreignParts(await accounts(ok)));
  const gateway = {
    http: await choosePort(0, '--http-port'),
    https: await choosePort(0, '--https-port'),
  };
  const ports = ['--http-port', `${gateway.http}`, '--https-port', `${gateway.https}`];
  // What the others write, an API server that knows it asks it about.
  await parts.start('webhook', '--webhook-port', '0');
  let leader = await parts.start('controllers', ...ports);
  await leader.heard('leads');
  const waiting = await parts.start('controllers', ...ports);
  await parts.start('gateway', ...ports);
  const owned = resources.move();
  return {
    kubectl,
    ok,
    isReal: true,
    gateway,
    async push(name, source) {
      const reference = `${REGISTRY}/${name}:latest`;
      await pushFolder({ source, reference, home: path.join(home, 'build') });
      return reference;
    },
    async killLeader() {
      assert.notEqual(leader, waiting, 'there is no second one any more');
      await leader.kill('SIGKILL');
      leader = waiting;
      await leader.heard('leads');
    },
    complaints: () => parts.complaints(),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

const ACCESS = path.resolve(import.meta.dirname, '../../samples/kubernetes/access.yaml');

/** A kubeconfig for each part, which may do what the sample says that it needs, and nothing else. */
async function accounts(ok: ServingCluster['ok']): Promise<Readonly<Record<PartName, string>>> {
  await ok(['apply', '-f', ACCESS]);
  const admin = JSON.parse(await ok(['config', 'view', '--raw', '-o', 'json'])) as {
    users: { name: string }[];
  };
  const kubeconfigOf = async (part: PartName): Promise<string> => {
    const asked = ['-n', 'knative-serving', 'create', 'token', part, '--duration=2h'];
    const token = (await ok(asked)).trim();
    const users = admin.users.map(({ name }) => ({ name, user: { token } }));
    return JSON.stringify({ ...admin, users });
  };
  return {
    controllers: await kubeconfigOf('controllers'),
    webhook: await kubeconfigOf('webhook'),
    gateway: await kubeconfigOf('gateway'),
  };
}

async function startRegistry(home: string): Promise<AsyncDisposable> {
  const file = path.join(home, 'registry.yml');
  const storage = { filesystem: { rootdirectory: path.join(home, 'registry') } };
  writeFileSync(file, JSON.stringify({ version: 0.1, storage, http: { addr: REGISTRY } }));
  const registry = await startProgram(['docker-registry', 'serve', file]);
  await registry.says(/listening on/);
  return registry;
}

function calls(kubeconfig: string): Pick<ServingCluster, 'kubectl' | 'ok'> {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const kubectl: ServingCluster['kubectl'] = async (args, input) =>
    await run([kubectlProgram(), ...args], { env, ...(input !== undefined && { input }) });
  return {
    kubectl,
    async ok(args, input) {
      const outcome = await kubectl(args, input);
      assert.equal(outcome.code, 0, `kubectl ${args.join(' ')}: ${outcome.stderr}`);
      return outcome.stdout;
    },
  };
}
