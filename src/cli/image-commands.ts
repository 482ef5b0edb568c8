import { Option, type Command } from 'commander';
import type { Invocation } from './invocation.ts';

/** `knode image …`: the images on this machine. */
export function addImageCommands(program: Command, invocation: Invocation): void {
  const image = program.command('image').description('the images on this machine');
  image
    .command('list')
    .alias('ls')
    .description('list images, and whether a container or a Revision needs them')
    .addOption(jsonOutput())
    .action(async (options) => (await import('./image.ts')).listImages(invocation, options));
  image
    .command('load')
    .argument('<file>', 'an archive of docker save or an OCI layout; - for standard input')
    .description('take in images from an archive')
    .option('--name <reference>', 'what to call the image, whatever the archive says')
    .addOption(jsonOutput())
    .action(async (file, options) =>
      (await import('./image.ts')).loadImages(invocation, file, options),
    );
  image
    .command('pull')
    .argument('<reference>')
    .description('pull an image before it is needed, with the credentials of docker login')
    .addOption(jsonOutput())
    .action(async (reference, options) =>
      (await import('./image.ts')).pullImage(invocation, reference, options),
    );
  image
    .command('push')
    .argument('<reference>')
    .description('push an image to its registry, with the credentials of docker login')
    .option('--as <reference>', 'push it under this name')
    .addOption(jsonOutput())
    .action(async (reference, options) =>
      (await import('./image.ts')).pushImage(invocation, reference, options),
    );
  image
    .command('remove')
    .alias('rm')
    .argument('<reference...>')
    .description('forget images; their content goes with the next prune')
    .option('-f, --force', 'even where a container or a Revision needs one')
    .action(async (references, options) =>
      (await import('./image.ts')).removeImages(invocation, references, options),
    );
  image
    .command('prune')
    .description('remove what nothing names, unless it came within the last ten minutes')
    .option('-a, --all', 'pulled images that no container and no Revision needs, too')
    .addOption(jsonOutput())
    .action(async (options) => (await import('./image.ts')).pruneImages(invocation, options));
}

function jsonOutput(): Option {
  return new Option('-o, --output <format>', 'for machines').choices(['json']);
}
