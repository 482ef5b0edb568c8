import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedCluster, type BareCluster } from '#test/support/embedded-cluster.ts';
import { startRealCluster } from '#test/support/real-cluster.ts';

/** A cluster, and a place where a person or a program works against it. */
export interface Desk extends AsyncDisposable {
  readonly cluster: BareCluster;
  readonly folder: string;
  /** With KUBECONFIG, a home of its own, and `programs` first in PATH. */
  readonly env: NodeJS.ProcessEnv;
}

export interface DeskOptions {
  /** Programs by the name they are called by. */
  readonly programs?: Readonly<Record<string, string>>;
  /** What its folder holds at first. */
  readonly files?: string;
}

/** Starts a cluster without pods for one client alone; all of it goes when disposed. */
export async function sitDown({ programs = {}, files }: DeskOptions = {}): Promise<Desk> {
  await using resources = new AsyncDisposableStack();
  const home = await mkdtemp(path.join(process.env['KNODE_TEST_WORK'] ?? tmpdir(), 'desk-'));
  resources.defer(async () => await rm(home, { recursive: true, force: true }));
  const [bin, folder] = [path.join(home, 'bin'), path.join(home, 'folder')];
  await Promise.all([mkdir(bin), mkdir(folder)]);
  for (const [name, program] of Object.entries(programs)) {
    await symlink(program, path.join(bin, name));
  }
  if (files !== undefined) await cp(files, folder, { recursive: true });
  const start = process.env['CLUSTER'] === 'real' ? startRealCluster : startEmbeddedCluster;
  const cluster = resources.use(await start(path.join(home, 'cluster')));
  const kubeconfig = path.join(home, 'kubeconfig');
  await writeFile(kubeconfig, cluster.kubeconfig);
  const owned = resources.move();
  const PATH = [bin, process.env['PATH']].join(path.delimiter);
  return {
    cluster,
    folder,
    env: { PATH, HOME: home, KUBECONFIG: kubeconfig },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}
