import { mkdir, copyFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '#base/command.ts';
import type { Image, ImageConfig } from '#images/image.ts';

/** A layer with this machine's Node at /bin/node and every library that `ldd` names: enough to run scripts. */
export async function nodeLayer(folder: string): Promise<string> {
  const output = await runCommand(['ldd', process.execPath]);
  const libraries = output.match(/\/[^\s)]+/g) ?? [];
  await mkdir(path.join(folder, 'bin'), { recursive: true });
  await copyFile(process.execPath, path.join(folder, 'bin/node'));
  for (const library of libraries) {
    await mkdir(path.join(folder, path.dirname(library)), { recursive: true });
    await copyFile(library, path.join(folder, library));
  }
  return folder;
}

/** An image value whose one layer is `layer`. */
export function imageOf(layer: string, config: ImageConfig = {}): Image {
  return { digest: `sha256:${'0'.repeat(64)}`, layers: [layer], config };
}
