import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { sleep, systemClock } from '#base/clock.ts';
import { askSupervisor } from '#supervisor/ask-supervisor.ts';
import { pathsOf, type Settings } from '#supervisor/settings.ts';
import {
  describeParts,
  flagsOf,
  requireRoot,
  settingsOf,
  startPlatform,
  type ListenerFlags,
} from './platform.ts';
import type { Invocation } from './invocation.ts';
import { dim, print, remark, step, UserError } from './terminal.ts';

export interface UpFlags extends ListenerFlags {
  readonly detach?: boolean;
  readonly printUnit?: boolean;
  readonly acceptLoss?: boolean;
}

export async function up(invocation: Invocation, flags: UpFlags): Promise<void> {
  if (flags.printUnit) {
    print(systemdUnit(invocation));
    return;
  }
  requireRoot('up');
  const settings = await settingsOf(invocation, flags);
  if (flags.detach) await upDetached(invocation, settings, flags);
  else await upAttached(invocation, settings, flags);
}

async function upAttached(
  invocation: Invocation,
  settings: Settings,
  flags: UpFlags,
): Promise<void> {
  let show: (detail: string) => void = () => undefined;
  const { supervisor, interrupted } = await startPlatform(invocation, settings, {
    acceptLoss: flags.acceptLoss,
    onChange: (parts) => show(describeParts(parts)),
  });
  try {
    await step('platform is up', async (update) => {
      show = update;
      await supervisor.ready();
    });
    describePlatform(settings);
    remark(dim('Ctrl-C stops the platform and its pods.'));
    await Promise.race([interrupted, supervisor.ended()]);
  } finally {
    await step('platform is down', async (update) => {
      show = update;
      await supervisor.stop();
    });
  }
}

const DETACHED_START_MS = 60_000;

async function upDetached(
  invocation: Invocation,
  settings: Settings,
  flags: UpFlags,
): Promise<void> {
  const paths = pathsOf(settings.home);
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
  const outputFile = paths.log('up');
  const output = openSync(outputFile, 'w', 0o600);
  const [program, ...args] = invocation.self;
  const accept = flags.acceptLoss ? ['--accept-loss'] : [];
  const child = spawn(program, [...args, 'up', ...flagsOf(settings), ...accept], {
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const gone = once(child, 'exit').then(() => {
    // Its last words; the steps before them are not what the person has to act on.
    const words = readFileSync(outputFile, 'utf8').split(/^knode: /m);
    throw new UserError(words.at(-1)?.trim() ?? '');
  });
  gone.catch(() => undefined); // It is raced below while it matters.
  await step('platform is up', async (update) => {
    await Promise.race([gone, untilReady(paths, update)]);
  });
  child.unref();
  describePlatform(settings);
  remark(dim("It runs in the background: 'knode status' shows it, 'knode down' stops it."));
}

async function untilReady(
  { supervisorSocket, logs }: ReturnType<typeof pathsOf>,
  update: (detail: string) => void,
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + DETACHED_START_MS;
  for (;;) {
    const status = await askSupervisor(supervisorSocket, { type: 'status' });
    if (status) update(describeParts(status.parts));
    if (status?.parts.every((part) => part.state === 'ready')) return;
    if (systemClock.monotonicMs() > deadlineMs) {
      const found = status ? describeParts(status.parts) : 'nothing runs';
      throw new UserError(
        `Not ready within a minute: ${found}; 'knode status' shows how it goes on, 'knode down' stops it, the logs in ${logs} say more`,
      );
    }
    await sleep(systemClock, 20);
  }
}

export function describePlatform(settings: Settings, write = remark): void {
  const { home, httpPort, httpsPort, apiPort, registryPort } = settings;
  const port = httpPort === 80 ? '' : `:${httpPort}`;
  write(`  gateway     http://NAME.NAMESPACE.localhost${port} (https: port ${httpsPort})`);
  write(`  API         https://127.0.0.1:${apiPort}`);
  write(`  registry    127.0.0.1:${registryPort} (plain HTTP)`);
  write(`  state       ${home}`);
  write(`  kubectl     export KUBECONFIG=${pathsOf(home).kubeconfig}`);
}

function systemdUnit({ self, home }: Invocation): string {
  return `[Unit]
Description=knode: Knative on this machine
After=network-online.target
Wants=network-online.target

[Service]
Environment=KNODE_HOME=${home}
Environment=NODE_COMPILE_CACHE=${path.join(home, 'compile-cache')}
ExecStart=${self.join(' ')} up
KillMode=process
TasksMax=infinity
LimitNOFILE=524288
Delegate=yes
Restart=on-failure
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target`;
}
