import { readdir, readFile } from 'node:fs/promises';

/** SIGKILL for a process and all it has started, children of children too. What left that tree by itself goes on. */
export async function killTree(pid: number): Promise<void> {
  // Stopped first: what does not run starts nothing while its children are looked up.
  if (!signal(pid, 'SIGSTOP')) return;
  for (const child of await childrenOf(pid)) await killTree(child);
  signal(pid, 'SIGKILL');
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGKILL'): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** proc_pid_task(5): each thread has the children it started. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) =>
      readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => ''),
    ),
  );
  return lists.flatMap((list) => list.split(' ').map(Number)).filter((child) => child > 0);
}
