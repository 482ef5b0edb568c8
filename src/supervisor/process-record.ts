import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { writeFileAtomic } from '#base/atomic-file.ts';

/** Which process plays a part, told from a later one with the same id by when it started. */
export interface ProcessRecord {
  readonly pid: number;
  /** Clock ticks since boot, from /proc/<pid>/stat. */
  readonly startTicks: string;
  /** What the process was asked to be, to see whether it must be replaced. */
  readonly settings: string;
}

export async function writeRecord(file: string, pid: number, settings: string): Promise<void> {
  const startTicks = startTicksOf(pid);
  if (startTicks === undefined) return;
  const record: ProcessRecord = { pid, startTicks, settings };
  await writeFileAtomic(file, JSON.stringify(record));
}

/** The record, if the process it names still runs. */
export function readLiveRecord(file: string): ProcessRecord | undefined {
  let record: ProcessRecord;
  try {
    record = JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord;
  } catch {
    return undefined;
  }
  return startTicksOf(record.pid) === record.startTicks ? record : undefined;
}

export async function removeRecord(file: string): Promise<void> {
  await rm(file, { force: true });
}

function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name is in parentheses and may hold anything; the fields after it are plain (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended, whoever its parent is has not looked yet.
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
