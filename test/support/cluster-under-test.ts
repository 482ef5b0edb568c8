import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig, type KubeconfigTarget } from '#client/kubeconfig.ts';
import { startEmbeddedCluster, type BareCluster } from './embedded-cluster.ts';
import { startRealCluster } from './real-cluster.ts';
import { nextOf, wireClient, type WireClient } from './wire.ts';

/**
 * What every test of test/cluster/ talks to, over TLS, as an administrator: our API server with its controllers, or with
 * CLUSTER=real Kubernetes' own. One for all files of a run, so a test makes a namespace of its own, and puts its
 * name into the names of what has none.
 */
export interface ClusterUnderTest extends WireClient {
  /** For what is different by design, which docs/reference/differences.md lists; nothing else. */
  readonly isReal: boolean;
  /** For other programs. */
  readonly kubeconfig: string;
  /** Where it is and who is asking, for other clients. */
  readonly target: KubeconfigTarget;
  /** The same server, asked by whoever has this token, or by nobody. */
  readonly as: (token: string | undefined) => WireClient;
  /** Makes a namespace of a random name with its default ServiceAccount, and returns the name. */
  readonly namespace: (labels?: Readonly<Record<string, string>>) => Promise<string>;
  /** Forgets all versions up to this one, as time does in a cluster that is used. */
  readonly compact: BareCluster['compact'];
}

let started: Promise<{ cluster: ClusterUnderTest; resources: AsyncDisposableStack }> | undefined;

// The hook of the file that imports this first; with one process for all files it runs after the last test.
after(async () => {
  const { resources } = (await started) ?? {};
  await resources?.disposeAsync();
});

/** The cluster of this run, started by the first test that asks. */
export async function clusterUnderTest(): Promise<ClusterUnderTest> {
  started ??= start();
  return (await started).cluster;
}

export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

async function start(): Promise<{ cluster: ClusterUnderTest; resources: AsyncDisposableStack }> {
  const isReal = process.env['CLUSTER'] === 'real';
  await using resources = new AsyncDisposableStack();
  const home = await mkdtemp(path.join(tmpdir(), 'knode-cluster-'));
  resources.defer(async () => await rm(home, { recursive: true, force: true }));
  const bare = resources.use(await (isReal ? startRealCluster(home) : startEmbeddedCluster(home)));
  const target = parseKubeconfig(bare.kubeconfig);
  const transport = resources.use(httpsTransport(target));
  const client = wireClient(transport.send);
  const { certificate: _known, ...unknown } = target;
  const stranger = resources.use(httpsTransport(unknown));
  const cluster: ClusterUnderTest = {
    ...client,
    isReal,
    kubeconfig: bare.kubeconfig,
    target,
    as: (token) =>
      wireClient((request) => {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
        return stranger.send({ ...request, headers: { ...request.headers, ...headers } });
      }),
    namespace: async (labels = {}) => await makeNamespace(client, labels),
    compact: bare.compact,
  };
  return { cluster, resources: resources.move() };
}

async function makeNamespace(
  client: WireClient,
  labels: Readonly<Record<string, string>>,
): Promise<string> {
  const name = uniqueName('test');
  const { status, body } = await client.send('POST', '/api/v1/namespaces', {
    metadata: { name, labels },
  });
  assert.equal(status, 201, JSON.stringify(body));
  const accounts = `/api/v1/namespaces/${name}/serviceaccounts`;
  const events = client.watch(`${accounts}?watch=1&fieldSelector=metadata.name=default`);
  await nextOf(events);
  await events.return();
  return name;
}
