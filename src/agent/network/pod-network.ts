import { readdir, writeFile } from 'node:fs/promises';
import { CommandError, runCommand } from '#base/command.ts';
import { formatIpv4, parseCidr, parseIpv4 } from '#agent/network/ipv4.ts';
import type { NetworkRanges } from '#agent/network/ranges.ts';

const NAMESPACES = '/run/netns';

/** Interface names hold 15 characters: `kn`, 8 of the instance, `-`, 4 for the address. */
export function interfacePrefix(instance: string): string {
  return `kn${instance.slice(0, 8)}-`;
}

/**
 * Network namespaces of pods, each joined to the host by a veth pair with a /32 on either end: no bridge, so a ClusterIP
 * between two pods passes the host's own rules, and a pod reaches itself through one.
 */
export class PodNetwork {
  readonly #instance: string;
  readonly #ranges: NetworkRanges;
  readonly #first: number;

  constructor(instance: string, ranges: NetworkRanges) {
    this.#instance = instance;
    this.#ranges = ranges;
    this.#first = parseCidr(ranges.pods)?.first ?? 0;
  }

  pathOf(address: string): string {
    return `${NAMESPACES}/${this.#namesOf(address).namespace}`;
  }

  /** Makes the namespace of `address` afresh; what an earlier process left half-made is removed first. */
  async create(address: string): Promise<void> {
    const { namespace, link } = this.#namesOf(address);
    const { podFacing } = this.#ranges;
    const host = [
      `netns add ${namespace}`,
      `link add ${link} type veth peer name eth0 netns ${namespace}`,
      `link set ${link} addrgenmode none`,
      `addr add ${podFacing}/32 dev ${link}`,
      `link set ${link} up`,
      `route add ${address}/32 dev ${link} src ${podFacing}`,
    ];
    try {
      await batch([], host);
    } catch (error) {
      if (!(error instanceof CommandError) || !/exists/i.test(error.stderr)) throw error;
      await this.remove(address);
      await batch([], host);
    }
    await limitSources(link);
    await batch(
      ['-n', namespace],
      [
        `addr add ${address}/32 dev eth0`,
        'link set lo up',
        'link set eth0 up',
        `route add ${podFacing} dev eth0 scope link`,
        `route add default via ${podFacing}`,
      ],
    );
  }

  /** Also where nothing or only a part of it exists. */
  async remove(address: string): Promise<void> {
    const { namespace, link } = this.#namesOf(address);
    // Without the link's own deletion it would stay until the kernel has torn the namespace down, later.
    await batch(['-force'], [`link del ${link}`, `netns del ${namespace}`]).catch(ignoreAbsent);
  }

  /** The addresses that have a namespace or a link on this machine. */
  async list(): Promise<ReadonlySet<string>> {
    const prefix = `knode-${this.#instance}-`;
    const namespaces = await readdir(NAMESPACES).catch(() => []);
    const links = await readdir('/sys/class/net');
    const offsets = [
      ...namespaces
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length)),
      ...links
        .filter((name) => name.startsWith(interfacePrefix(this.#instance)))
        .map((name) => name.slice(interfacePrefix(this.#instance).length)),
    ];
    return new Set(offsets.map((offset) => formatIpv4(this.#first + Number.parseInt(offset, 16))));
  }

  #namesOf(address: string): { namespace: string; link: string } {
    const offset = (parseIpv4(address) ?? 0) - this.#first;
    const suffix = offset.toString(16).padStart(4, '0');
    return {
      namespace: `knode-${this.#instance}-${suffix}`,
      link: `${interfacePrefix(this.#instance)}${suffix}`,
    };
  }
}

/**
 * A pod sends by its own address only, whatever its raw sockets say, and answers who came by a node port on loopback.
 * Where nothing may be written under /proc/sys, as inside some containers, the pods do without both.
 */
async function limitSources(link: string): Promise<void> {
  const folder = `/proc/sys/net/ipv4/conf/${link}`;
  try {
    await writeFile(`${folder}/rp_filter`, '1');
    await writeFile(`${folder}/route_localnet`, '1');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EROFS')) throw error;
  }
}

async function batch(options: readonly string[], lines: readonly string[]): Promise<void> {
  await runCommand(['ip', ...options, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

function ignoreAbsent(error: unknown): void {
  const isAbsent = (line: string): boolean =>
    /Cannot find device|No such file or directory|^Command failed/.test(line);
  if (!(error instanceof CommandError)) throw error;
  if (!error.stderr.trim().split('\n').every(isAbsent)) throw error;
}
