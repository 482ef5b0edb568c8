import { existsSync } from 'node:fs';
import { removeAgent } from '#agent/remove-agent.ts';
import { ensureRanges } from '#agent/network/ranges.ts';
import { systemClock } from '#base/clock.ts';
import { instanceOf, networkFileOf } from '#supervisor/settings.ts';

/** `knode run wipe`: takes off the machine what is outside the home; the platform must be down. */
export async function runWipe(home: string): Promise<void> {
  const network = networkFileOf(home);
  if (!existsSync(network)) return; // It was never up.
  const instance = instanceOf(home);
  const ranges = await ensureRanges(network, instance);
  await removeAgent({ home, instance, ranges, clock: systemClock });
}
