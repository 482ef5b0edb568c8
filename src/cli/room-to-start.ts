import { machineResources, openFilesMax } from '#base/machine-resources.ts';
import { UserError } from './terminal.ts';

/** Control has some 60 files open at rest, the gateway 40; each connection and each container that is made takes some. */
const FILES_MIN = 512;
/** Three processes of ours have some fifteen threads each; conmon and runc come to them. */
const PROCESSES_MIN = 200;
const MEMORY_BYTES_MIN = 256 * 1024 * 1024;

/** Throws where the machine leaves the platform too little to begin with, in words that say what to raise. */
export async function requireRoom(): Promise<void> {
  const files = openFilesMax();
  const { processes, memory } = await machineResources('/', 'process');
  if (files < FILES_MIN)
    throw new UserError(
      `Cannot start: a process may open ${files} files here, wanted ${FILES_MIN} or more; raise the limit ('ulimit -n 65536', LimitNOFILE= of a unit)`,
    );
  if (processes.available < PROCESSES_MIN)
    throw new UserError(
      `Cannot start: ${processes.available} of ${processes.total} processes may still be started here, wanted ${PROCESSES_MIN} or more; raise the limit (TasksMax= of a unit, kernel.pid_max, kernel.threads-max), or end some`,
    );
  if (memory.available < MEMORY_BYTES_MIN)
    throw new UserError(
      `Cannot start: ${toMiB(memory.available)} of ${toMiB(memory.total)} MiB of memory are left here, wanted ${toMiB(MEMORY_BYTES_MIN)} or more; end something, or raise the limit (MemoryMax= of a unit)`,
    );
}

function toMiB(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024);
}
