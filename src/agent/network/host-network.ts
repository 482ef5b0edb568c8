import { readFile, readdir, writeFile } from 'node:fs/promises';
import { CommandError, runCommand } from '#base/command.ts';
import { interfacePrefix, PodNetwork } from '#agent/network/pod-network.ts';
import type { NetworkRanges } from '#agent/network/ranges.ts';
import { tableName } from '#agent/network/nft-table.ts';

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

/**
 * What the machine itself needs once: forwarding, the pod-facing address on lo, and a route for ClusterIPs. The route is
 * never followed, because every packet to it is translated or refused; it lets the machine's own programs reach a
 * ClusterIP where there is no default route, and shows other homes that the range is taken. What is sent to a pod that is
 * gone is refused here and now; by the default route it would leave the machine.
 */
export async function prepareHost(ranges: NetworkRanges): Promise<void> {
  if ((await readFile(FORWARDING, 'utf8')).trim() !== '1') await writeFile(FORWARDING, '1');
  await runCommand(['ip', '-batch', '-'], {
    input: [
      `addr replace ${ranges.podFacing}/32 dev lo`,
      `route replace unreachable ${ranges.pods}`,
      `route replace ${ranges.services} dev lo src ${ranges.podFacing}`,
      '',
    ].join('\n'),
  });
}

/**
 * Removes every trace of the instance from the machine's network; also where only parts of it exist. Forwarding stays as
 * it is: somebody else may rely on it by now.
 */
export async function removeNetwork(instance: string, ranges: NetworkRanges): Promise<void> {
  const pods = new PodNetwork(instance, ranges);
  for (const address of await pods.list()) await pods.remove(address);
  const prefix = interfacePrefix(instance);
  const links = (await readdir('/sys/class/net')).filter((name) => name.startsWith(prefix));
  for (const link of links) await quietly(['ip', 'link', 'del', link]);
  for (const family of ['ip', 'ip6'])
    await quietly(['nft', 'delete', 'table', family, tableName(instance)]);
  await quietly(['ip', 'route', 'del', 'unreachable', ranges.pods]);
  await quietly(['ip', 'route', 'del', ranges.services, 'dev', 'lo']);
  await quietly(['ip', 'addr', 'del', `${ranges.podFacing}/32`, 'dev', 'lo']);
}

/** What is absent already needs no removal. */
async function quietly(command: readonly [string, ...string[]]): Promise<void> {
  try {
    await runCommand(command);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
  }
}
