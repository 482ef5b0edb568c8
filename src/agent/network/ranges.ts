import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { runCommand } from '#base/command.ts';
import { overlaps, parseCidr, parseIpv4, type Cidr } from '#agent/network/ipv4.ts';

/** The addresses one home uses; chosen once, then kept, because ClusterIPs are written down in objects. */
export interface NetworkRanges {
  /** A /16; its first address is `podFacing`. */
  readonly pods: string;
  /** A /16, for ClusterIPs. */
  readonly services: string;
  /** The one address of this machine that pods talk to: DNS, API, gateway, registry. */
  readonly podFacing: string;
}

/**
 * Two neighbouring /16 of 10.0.0.0/8 that overlap nothing of `taken`. Where to begin looking depends on the instance, so
 * that homes which choose while another is stopped seldom choose the same.
 */
export function chooseRanges(instance: string, taken: readonly Cidr[]): NetworkRanges {
  const start = createHash('sha256').update(instance).digest().readUInt8(0) >> 1;
  for (let step = 0; step < 128; step += 1) {
    const pair = ((start + step) % 128) * 2;
    const block = parseCidr(`10.${pair}.0.0/15`);
    if (!block || taken.some((other) => overlaps(block, other))) continue;
    const pods = `10.${pair}.0.0/16`;
    return { pods, services: `10.${pair + 1}.0.0/16`, podFacing: `10.${pair}.0.1` };
  }
  throw new Error(
    'Cannot choose addresses for pods: every /15 of 10.0.0.0/8 overlaps a route of this machine; remove one, or write network.json by hand',
  );
}

/** The ranges in `file`, chosen and written there first where it does not exist. */
export async function ensureRanges(file: string, instance: string): Promise<NetworkRanges> {
  const known = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (known !== undefined) return parseRanges(known, file);
  const ranges = chooseRanges(instance, await takenBlocks());
  await writeFileAtomic(file, `${JSON.stringify(ranges, undefined, 2)}\n`);
  return ranges;
}

function parseRanges(text: string, file: string): NetworkRanges {
  const value = JSON.parse(text) as Partial<NetworkRanges>;
  const { pods = '', services = '', podFacing = '' } = value;
  if (!parseCidr(pods) || !parseCidr(services) || parseIpv4(podFacing) === undefined) {
    throw new Error(
      `Cannot read the network ranges in ${file}: found ${text.trim()}, wanted pods, services and podFacing`,
    );
  }
  return { pods, services, podFacing };
}

/** What routes and name servers of this machine lie in. The default route covers everything and does not count. */
async function takenBlocks(): Promise<Cidr[]> {
  const output = await runCommand(['ip', '-j', '-4', 'route', 'show', 'table', 'all']);
  const routes = JSON.parse(output) as readonly { readonly dst?: string }[];
  const resolvers = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  const servers = [...resolvers.matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] ?? '');
  const blocks = [...routes.map((route) => route.dst ?? ''), ...servers].map(parseCidr);
  return blocks.filter((block) => block !== undefined && block.bits > 0) as Cidr[];
}
