import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPlatform } from '#test/support/platform.ts';
import { startRealCluster } from '#test/support/real-cluster.ts';
import { apiTarget, type ApiTarget } from './api-target.ts';

interface ApiTargets {
  readonly ours: ApiTarget;
  /** kube-apiserver on etcd, which flushes each write to the disk as ours does. */
  readonly peer: ApiTarget;
}

/** Both at once; each rests while the other is measured. `resources` owns them. */
export async function startApiTargets(resources: AsyncDisposableStack): Promise<ApiTargets> {
  const platform = resources.use(await startPlatform());
  const kubeconfig = await readFile(path.join(platform.home, 'kubeconfig'), 'utf8');
  const ours = resources.use(await apiTarget(kubeconfig));
  const home = await mkdtemp(path.join(tmpdir(), 'knode-bench-'));
  resources.defer(async () => await rm(home, { recursive: true, force: true }));
  const real = resources.use(await startRealCluster(home, { isFlushed: true }));
  const peer = resources.use(await apiTarget(real.kubeconfig));
  return { ours, peer };
}
