import { readdirSync, rmSync } from 'node:fs';
import { runCommand } from '#base/command.ts';
import { sleep, systemClock } from '#base/clock.ts';
import { askSupervisor } from '#supervisor/ask-supervisor.ts';
import { readLiveRecord } from '#supervisor/process-record.ts';
import { pathsOf } from '#supervisor/settings.ts';
import { requireRoot } from './platform.ts';
import type { Invocation } from './invocation.ts';
import { remark, step, UserError } from './terminal.ts';

export async function down(
  invocation: Invocation,
  { wipe }: { readonly wipe?: boolean },
): Promise<void> {
  requireRoot('down');
  const { home, self } = invocation;
  const wasRunning = await stopPlatform(home);
  if (!wasRunning) remark(`knode was not running with the state in ${home}.`);
  if (wasRunning && !wipe) return;
  // Pods outlive processes that were killed, and nobody else is left to stop them.
  await step(wipe ? 'every trace is removed' : 'no pod is left behind', async () => {
    await runCommand([...self, 'run', 'wipe'], { timeoutMs: 120_000 });
    if (wipe) removeHome(home);
  });
}

async function stopPlatform(home: string): Promise<boolean> {
  const paths = pathsOf(home);
  const isSupervised =
    (await askSupervisor(paths.supervisorSocket, { type: 'status' })) !== undefined;
  const orphans = ['gateway', 'control'].filter((name) =>
    readLiveRecord(paths.processRecord(name)),
  );
  if (!isSupervised && orphans.length === 0) return false;
  await step('platform is down', async () => {
    if (isSupervised) await askSupervisor(paths.supervisorSocket, { type: 'stop' });
    // Parts that outlived a killed supervisor: nobody else will stop them.
    else for (const name of orphans) await stopOrphan(paths.processRecord(name));
  });
  return true;
}

const STOP_MS = 45_000;

async function stopOrphan(recordFile: string): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + STOP_MS;
  const record = readLiveRecord(recordFile);
  if (!record) return;
  process.kill(record.pid, 'SIGTERM');
  while (readLiveRecord(recordFile)) {
    if (systemClock.monotonicMs() > deadlineMs) process.kill(record.pid, 'SIGKILL');
    await sleep(systemClock, 10);
  }
}

/** What a home consists of; anything else in the folder is not ours to remove. */
const OWN =
  /^(agent|build|compile-cache|images|kubeconfig|logs|network\.json|pki|run|store|volumes)(?:\.tmp-\d+)?$/;

function removeHome(home: string): void {
  let names: string[];
  try {
    names = readdirSync(home);
  } catch {
    return; // There was none.
  }
  const foreign = names.filter((name) => !OWN.test(name));
  for (const name of names.filter((name) => OWN.test(name))) {
    rmSync(`${home}/${name}`, { recursive: true, force: true });
  }
  if (foreign.length > 0) {
    throw new UserError(`Left in ${home}, because knode did not make it: ${foreign.join(', ')}`);
  }
  rmSync(home, { recursive: true, force: true });
}
