import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { ContainerStateTerminated } from '#api/generated/core-v1.ts';

/** The newest attempt at one container of a pod. */
export interface ContainerRecord {
  readonly id: string;
  /** How often it was restarted before. */
  readonly attempt: number;
  /** `repository@sha256:…` or the reference as written, and the digest it stood for. */
  readonly image: string;
  readonly imageID: string;
  /** What the image wants to be told to end by. */
  readonly stopSignal?: string;
  readonly startedAt?: string;
  /** Set once this attempt has ended. */
  readonly terminated?: ContainerStateTerminated;
  /** How the attempt before ended. */
  readonly last?: ContainerStateTerminated;
}

/** A ReplicaSet's uid, and the pod as the ReplicaSet's controller would make it. */
export interface PreparedFor {
  readonly replicaSet: string;
  readonly pod: Pod;
}

/**
 * What a later process must know to take over a pod; beside its containers' folders. Written before anything that it
 * names is made, so whatever exists on the machine is named by a record or belongs to nobody.
 */
export interface PodRecord {
  readonly version: 1;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  /** It has no network of its own: the address is the machine's. */
  readonly hostNetwork?: true;
  readonly startTime: string;
  /** The uid of the ReplicaSet that it is one of. */
  readonly replicaSet?: string;
  /** For what it was prepared, until its Pod object exists. */
  readonly prepared?: PreparedFor;
  readonly containers: Readonly<Record<string, ContainerRecord>>;
}

const FILE = 'pod.json';

export async function writePodRecord(folder: string, record: PodRecord): Promise<void> {
  await writeFileAtomic(path.join(folder, FILE), JSON.stringify(record));
}

/** The records below `podsFolder`; a folder without one is half made and comes as its path alone. */
export async function readPodRecords(
  podsFolder: string,
): Promise<{ readonly folder: string; readonly record?: PodRecord }[]> {
  const names = await readdir(podsFolder);
  return Promise.all(
    names.map(async (name) => {
      const folder = path.join(podsFolder, name);
      const text = await readFile(path.join(folder, FILE), 'utf8').catch(() => undefined);
      if (text === undefined) return { folder };
      const record = JSON.parse(text) as PodRecord;
      // A version this program does not know is somebody else's; taking it over could lose what it means.
      if (record.version !== 1)
        throw new Error(
          `Cannot take over ${folder}: found version ${String(record.version)}, wanted 1; start the newer knode, or remove the folder`,
        );
      return { folder, record };
    }),
  );
}

/** Digests of the images that the containers below `podsFolder` were made from, prepared and ended ones included. */
export async function imagesOfPods(podsFolder: string): Promise<readonly string[]> {
  const found = await readPodRecords(podsFolder);
  return found.flatMap(({ record }) =>
    Object.values(record?.containers ?? {}).map(({ imageID }) => imageID),
  );
}
