import { Command, InvalidArgumentError, Option } from 'commander';
import { addImageCommands } from './image-commands.ts';
import type { Invocation } from './invocation.ts';

/** The commands and their flags. What a command does is loaded when it is called, so that `--help` costs nothing. */
export function createProgram(invocation: Invocation): Command {
  const program = new Command('knode')
    .description('Knative on this machine, in one command')
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
    .addHelpText('after', `\nState is kept in ${invocation.home} (set KNODE_HOME to choose).`);
  addPlatformCommands(program, invocation);
  addDeployCommand(program, invocation);
  addServiceCommands(program, invocation);
  addImageCommands(program, invocation);
  return program;
}

function addPlatformCommands(program: Command, invocation: Invocation): void {
  withListeners(
    program
      .command('up')
      .description('start the platform; Ctrl-C stops it and its pods')
      .option('-d, --detach', 'run in the background')
      .option(
        '--accept-loss',
        'start with what is provable of a damaged store; the log says what is lost',
      )
      .option('--print-unit', 'print a systemd unit that runs the platform, and do nothing else'),
  ).action(async (options) => (await import('./up.ts')).up(invocation, options));
  program
    .command('down')
    .description('stop the platform and its pods')
    .option('--wipe', 'remove every trace of it too: files, mounts, namespaces, firewall rules')
    .action(async (options) => (await import('./down.ts')).down(invocation, options));
  program
    .command('status')
    .description('show what runs, what it costs, and where it listens')
    .addOption(jsonOutput())
    .action(async (options) => (await import('./status.ts')).status(invocation, options));
  withListeners(
    program
      .command('demo')
      .description('build, deploy and call a sample; watch it go to zero and come back')
      .option('--exit', 'end after the walk instead of staying up until Ctrl-C')
      .option('--trace', "show where the cold start's time went")
      .addOption(jsonOutput()),
  ).action(async (options) => (await import('./demo.ts')).demo(invocation, options));
  program
    .command('kubeconfig')
    .description('print the kubeconfig of the administrator')
    .option('--merge', 'merge it into $KUBECONFIG or ~/.kube/config, as context "knode"')
    .action(async (options) => (await import('./kubeconfig.ts')).kubeconfig(invocation, options));
}

function addDeployCommand(program: Command, invocation: Invocation): void {
  program
    .command('deploy')
    .argument('<name>')
    .description(
      'create a Service from an image or a folder, or change it, and wait until it is ready',
    )
    .option('--image <reference>', 'the image to run')
    .addOption(
      new Option(
        '--source <folder>',
        'a program of Node or Python, or files to serve; built into an image and pushed',
      ).conflicts('image'),
    )
    .option(
      '--base <reference>',
      "with --source: an image instead of this machine's Node or Python",
    )
    .option('--env <name=value>', 'an environment variable; repeat for more', collect, [])
    .option('--port <number>', 'the port the program listens on', parsePort)
    .option('--annotation <key=value>', 'on the revisions; repeat for more', collect, [])
    .addOption(namespace())
    .option('--no-wait', 'return without waiting for it to be ready')
    .action(async (name, options) =>
      (await import('./deploy.ts')).deploy(invocation, name, options),
    );
}

function addServiceCommands(program: Command, invocation: Invocation): void {
  program
    .command('list')
    .alias('ls')
    .description('list Services')
    .addOption(namespace())
    .option('-A, --all-namespaces', 'of every namespace')
    .addOption(jsonOutput())
    .action(async (options) => (await import('./list.ts')).list(invocation, options));
  program
    .command('curl')
    .argument('<name>')
    .argument('[path]', 'path and query', '/')
    .description('call a Service through the gateway and print what it answers')
    .addOption(namespace())
    .option('-X, --request <method>', 'the method', 'GET')
    .option('-d, --data <text>', 'a request body; makes the method POST unless told')
    .option('-H, --header <name: value>', 'a request header; repeat for more', collect, [])
    .option('-i, --include', 'print the status and the headers too')
    .action(async (name, path, options) =>
      (await import('./curl.ts')).curl(invocation, { name, path, ...options }),
    );
  program
    .command('logs')
    .argument('<name>')
    .description("print what a Service's pods wrote")
    .addOption(namespace())
    .option('-f, --follow', 'go on with what they write from now on, new pods included')
    .option('--tail <lines>', 'only the last lines of each pod', parseCount)
    .action(async (name, options) => (await import('./logs.ts')).logs(invocation, name, options));
  program
    .command('coldstarts')
    .argument('[name]')
    .description('show how long calls of Services without a pod took, by stage')
    .addOption(namespace())
    .option('-A, --all-namespaces', 'of every namespace')
    .addOption(jsonOutput())
    .action(async (name, options) =>
      (await import('./coldstarts.ts')).coldstarts(invocation, name, options),
    );
  program
    .command('why')
    .argument('<name>')
    .description('say why a Service is not ready, or has the pods it has, and what to do')
    .addOption(namespace())
    .addOption(jsonOutput())
    .action(async (name, options) => (await import('./why/why.ts')).why(invocation, name, options));
  program
    .command('delete')
    .argument('<name>')
    .description('delete a Service with all that belongs to it')
    .addOption(namespace())
    .action(async (name, options) =>
      (await import('./delete.ts')).deleteService(invocation, name, options),
    );
}

function withListeners(command: Command): Command {
  return command
    .option('--http-port <number>', 'gateway (default: 80, or 8080 where 80 is taken)', parsePort)
    .option(
      '--https-port <number>',
      'gateway, over TLS (default: 443, or 8443 where 443 is taken)',
      parsePort,
    )
    .option('--api-port <number>', 'Kubernetes API', parsePort, 6443)
    .option('--registry-port <number>', 'image registry', parsePort, 5000)
    .option(
      '--listen <address>',
      'listen on this address too, beside loopback; repeat for more',
      collect,
      [],
    );
}

function namespace(): Option {
  return new Option('-n, --namespace <name>').default('default');
}

function jsonOutput(): Option {
  return new Option('-o, --output <format>', 'for machines').choices(['json']);
}

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('wanted a port number from 0 (any free one) to 65535');
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 0) return count;
  throw new InvalidArgumentError('wanted a whole number');
}
