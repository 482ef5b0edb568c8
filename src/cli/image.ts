import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { ContentStore } from '#images/content/content-store.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import { readImageArchive, type ArchivedImage } from '#images/image-archive.ts';
import { ADOPTED_REPOSITORY } from '#images/images.ts';
import { formatReference, parseReference } from '#images/reference.ts';
import { buildFolderOf } from '#supervisor/settings.ts';
import type { Invocation } from './invocation.ts';
import { askImages, ownCredentials } from './node-images.ts';
import { runningSettings } from './running-settings.ts';
import { print, printJson, printTable, remark, step, UserError } from './terminal.ts';

interface OutputFlag {
  readonly output?: 'json';
}

export async function listImages(invocation: Invocation, { output }: OutputFlag): Promise<void> {
  const answer = await askImages(invocation, { action: 'list' });
  const images = 'images' in answer ? answer.images : [];
  if (output === 'json') return printJson({ images });
  if (images.length === 0) return print('No images found.');
  printTable(
    ['IMAGE', 'DIGEST', 'SIZE', 'NEEDED'],
    images.map(({ reference, digest, bytes, isNeeded }) => [
      reference.replace(`@${digest}`, ''),
      digest.slice('sha256:'.length, 'sha256:'.length + 12),
      formatBytes(bytes),
      isNeeded ? 'yes' : 'no',
    ]),
  );
}

export async function pullImage(
  invocation: Invocation,
  image: string,
  { output }: OutputFlag,
): Promise<void> {
  const credentials = ownCredentials(invocation, image);
  const answer = await step(`${image} is pulled`, (update) =>
    askImages(invocation, { action: 'pull', image, credentials }, (blob) => update(moving(blob))),
  );
  printDigest(image, answer, output);
}

export async function pushImage(
  invocation: Invocation,
  image: string,
  { as: target = image, output }: OutputFlag & { readonly as?: string },
): Promise<void> {
  const credentials = ownCredentials(invocation, target);
  const answer = await step(`${image} is pushed to ${target}`, (update) =>
    askImages(invocation, { action: 'push', image, target, credentials }, (blob) =>
      update(moving(blob)),
    ),
  );
  printDigest(target, answer, output);
}

export async function removeImages(
  invocation: Invocation,
  images: readonly string[],
  { force = false }: { readonly force?: boolean },
): Promise<void> {
  for (const image of images) {
    await askImages(invocation, { action: 'remove', image, isForced: force });
    remark(`Removed ${image}`);
  }
}

export async function pruneImages(
  invocation: Invocation,
  { all = false, output }: OutputFlag & { readonly all?: boolean },
): Promise<void> {
  const answer = await askImages(invocation, { action: 'prune', isAll: all });
  const pruned = 'pruned' in answer ? answer.pruned : { removed: [], freedBytes: 0 };
  if (output === 'json') return printJson(pruned);
  for (const name of pruned.removed) print(name);
  remark(`Freed ${formatBytes(pruned.freedBytes)}`);
}

/**
 * Takes in an archive as `docker save` writes it, or an OCI layout; `-` reads standard input. It goes the way of every push, and
 * is then given the names it has in the archive.
 */
export async function loadImages(
  invocation: Invocation,
  archive: string,
  { name, output }: OutputFlag & { readonly name?: string },
): Promise<void> {
  const parts = { clock: systemClock, random: systemRandom };
  const { registryPort } = runningSettings(invocation);
  const home = path.join(buildFolderOf(invocation.home), `load-${process.pid}`);
  try {
    const store = await ContentStore.open({ ...parts, home });
    const client = new DistributionClient(parts);
    const loaded = await step(`${archive} is loaded`, async (update) => {
      update('reading');
      const source = archive === '-' ? process.stdin : createReadStream(archive);
      const images = await readImageArchive(store, source);
      const names: { reference: string; digest: string }[] = [];
      for (const image of images) {
        const { manifest } = image;
        const { digest } = manifest;
        const target = { domain: `127.0.0.1:${registryPort}`, path: ADOPTED_REPOSITORY, digest };
        const signal = AbortSignal.timeout(LOAD_MS_MAX);
        const onProgress = (blob: Blob): void => update(moving(blob));
        await client.push(target, { store, manifest, signal, onProgress });
        for (const reference of namesOf(image, name)) {
          await askImages(invocation, { action: 'adopt', image: reference, digest });
          names.push({ reference, digest });
        }
      }
      return names;
    });
    if (output === 'json') printJson({ images: loaded });
    else for (const { reference } of loaded) print(reference);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

const LOAD_MS_MAX = 60 * 60_000;

type Blob = { readonly digest: string; readonly size: number };

function namesOf({ names }: ArchivedImage, given: string | undefined): readonly string[] {
  const wanted = given === undefined ? names : [given];
  if (wanted.length === 0)
    throw new UserError(
      'The archive does not say what its image is called: give it a name with --name',
    );
  return wanted.map((each) => formatReference(parseReference(each)));
}

function printDigest(image: string, answer: object, output: 'json' | undefined): void {
  const digest = 'digest' in answer ? String(answer.digest) : '';
  if (output === 'json') printJson({ reference: image, digest });
  else print(digest);
}

function moving({ digest, size }: Blob): string {
  return `${digest.slice(0, 'sha256:'.length + 12)} ${formatBytes(size)}`;
}

function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
