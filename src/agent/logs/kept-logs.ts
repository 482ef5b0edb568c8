import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tailOfFile } from '#base/file-tail.ts';
import { rotatedNumbers } from '#agent/logs/container-log.ts';

/**
 * What is kept of the logs of pods that are gone: the ends of the newest pods of each ReplicaSet, in a folder for each.
 * Together at most 100 x 5 x 256 KiB.
 */
const SETS_MAX = 100;
const PODS_MAX = 5;
const POD_BYTES_MAX = 256 * 1024;

export interface EndedPod {
  readonly uid: string;
  /** The uid of its ReplicaSet. */
  readonly replicaSet: string;
  /** The containers' names and log files. */
  readonly logs: readonly (readonly [container: string, file: string])[];
}

/** Keeps the ends of a pod's logs before they are removed; of a pod that wrote nothing, nothing. */
export async function keepLogs(folder: string, { uid, replicaSet, logs }: EndedPod): Promise<void> {
  const set = path.join(folder, replicaSet);
  const pod = path.join(set, uid);
  const bytesMax = Math.floor(POD_BYTES_MAX / logs.length);
  for (const [container, log] of logs) {
    const end = await endOf(log, bytesMax);
    if (end.length === 0) continue;
    const made = await mkdir(pod, { recursive: true, mode: 0o700 });
    await writeFile(path.join(pod, container), end, { mode: 0o600 });
    if (made !== undefined) await removeOldest(set, PODS_MAX);
    if (made !== undefined && made !== pod) await removeOldest(folder, SETS_MAX);
  }
}

/** The files with what is kept of the pods of a ReplicaSet, oldest first. */
export async function keptLogs(folder: string, replicaSet: string): Promise<readonly string[]> {
  const pods = await oldestFirst(path.join(folder, replicaSet));
  const files = pods.map(async (pod) => {
    const names = await readdir(pod).catch(() => []);
    const sorted = names.toSorted((a, b) => a.localeCompare(b));
    return sorted.map((name) => path.join(pod, name));
  });
  return (await Promise.all(files)).flat();
}

/** Whole lines; also from the file before the newest, which may just have begun. */
async function endOf(log: string, bytesMax: number): Promise<Buffer> {
  const rotated = (await rotatedNumbers(log)).slice(-1).map((number) => `${log}.${number}`);
  const files = await Promise.all([...rotated, log].map((file) => tailOfFile(file, bytesMax + 1)));
  const all = Buffer.concat(files);
  if (all.length <= bytesMax) return all;
  const cut = all.subarray(all.length - bytesMax);
  return cut.subarray(cut.indexOf('\n') + 1);
}

async function removeOldest(folder: string, max: number): Promise<void> {
  const all = await oldestFirst(folder);
  const old = all.slice(0, Math.max(0, all.length - max));
  await Promise.all(old.map((each) => rm(each, { recursive: true, force: true })));
}

async function oldestFirst(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const file = path.join(folder, name);
      return { file, changedMs: (await stat(file).catch(() => undefined))?.mtimeMs ?? 0 };
    }),
  );
  return found.toSorted((a, b) => a.changedMs - b.changedMs).map(({ file }) => file);
}
