import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run, type Platform } from './platform.ts';
import { pushImage } from './sample-image.ts';

/** A program that takes next to no time to start, as a container and as a file of this machine. */
export interface StaticServer {
  readonly container: { readonly image: string; readonly command: string[] };
  readonly program: string;
}

/** Builds the static server in `folder`, which exists, and pushes an image of it to the platform's registry. */
export async function staticServer(platform: Platform, folder: string): Promise<StaticServer> {
  const program = path.join(folder, 'static-server');
  const outcome = await run(['go', 'build', '-ldflags=-s -w', '-o', program, '.'], {
    cwd: path.join(import.meta.dirname, 'static-server'),
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
  });
  assert.equal(outcome.code, 0, outcome.stderr);
  const source = path.join(folder, 'image');
  await mkdir(source);
  await copyFile(program, path.join(source, 'static-server'));
  await writeFile(path.join(source, 'server.js'), ''); // What the layer builder takes for a program.
  const image = await pushImage(platform, { name: 'static-server', source });
  return { container: { image, command: ['/app/static-server'] }, program };
}
