import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Whether the first process of a container still runs. */
export async function isInitAlive(stateFolder: string): Promise<boolean> {
  return (await initOf(stateFolder)) !== undefined;
}

/** The id of a container's first process while it runs, by runc's own record of it in the container's state folder. */
export async function initOf(stateFolder: string): Promise<number | undefined> {
  const text = await readFile(path.join(stateFolder, 'state.json'), 'utf8').catch(() => '{}');
  const state = JSON.parse(text) as {
    readonly init_process_pid?: number;
    readonly init_process_start?: number;
  };
  const stat = await readFile(`/proc/${state.init_process_pid}/stat`, 'utf8').catch(() => '');
  // The program's name is in parentheses and may hold anything; the fields after it are plain (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A later process may have the same id, but not the same start; a zombie has ended.
  const isAlive = fields[0] !== 'Z' && Number(fields[19]) === state.init_process_start;
  return isAlive ? state.init_process_pid : undefined;
}
