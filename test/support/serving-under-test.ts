import { after } from 'node:test';
import { clusterUnderTest, type ClusterUnderTest } from './cluster-under-test.ts';
import { foreignParts } from './foreign-parts.ts';

const resources = new AsyncDisposableStack();
let started: Promise<ClusterUnderTest> | undefined;

// The hook of the file that imports this first; with one process for all files it runs after the last test.
after(async () => await resources.disposeAsync());

/**
 * The cluster under test, which knows Serving's kinds: a Kubernetes that is not ours learns them from one process of
 * ours, and what may be written of them from another.
 */
export async function servingUnderTest(): Promise<ClusterUnderTest> {
  started ??= start();
  return await started;
}

async function start(): Promise<ClusterUnderTest> {
  const cluster = await clusterUnderTest();
  if (!cluster.isReal) return cluster;
  const parts = resources.use(await foreignParts(cluster.kubeconfig));
  await parts.start('controllers');
  await parts.start('webhook', '--webhook-port', '0');
  return cluster;
}
