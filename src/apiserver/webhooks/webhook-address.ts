import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/*
 * A webhook's URL makes this process call what its author may not reach, so some addresses are never called: those that
 * answer whoever asks from this machine, as a cloud's metadata service does, those that are no single machine, and the
 * platform's own listeners. Another program on this machine may well be a webhook in development.
 */

const never = blockList({
  ipv4: ['0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'],
  // Of the last, EC2's metadata service is the one address.
  ipv6: ['::/128', 'fe80::/10', 'ff00::/8', 'fd00:ec2::254/128'],
});

/** Why a webhook at this address is not called; undefined where it is. */
export function refusalOf(
  address: string,
  port: number,
  ownPorts: ReadonlySet<number>,
): string | undefined {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  if (never.check(address, family)) return 'link-local and reserved addresses are not called';
  if (!ownPorts.has(port) || !ownAddresses().check(address, family)) return undefined;
  return 'the listeners of the platform itself are not called';
}

/** Read anew, because addresses come and go with pods. */
function ownAddresses(): BlockList {
  const own = blockList({ ipv4: ['127.0.0.0/8'], ipv6: ['::1/128'] });
  for (const { address, family } of Object.values(networkInterfaces()).flatMap(
    (each) => each ?? [],
  ))
    addAddress(own, address, family === 'IPv6' ? 'ipv6' : 'ipv4');
  return own;
}

function blockList(ranges: Readonly<Record<'ipv4' | 'ipv6', readonly string[]>>): BlockList {
  const list = new BlockList();
  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const range of ranges[family]) {
      const [address = '', bits = ''] = range.split('/');
      list.addSubnet(address, Number(bits), family);
      // The same in the clothes of IPv6.
      if (family === 'ipv4') list.addSubnet(`::ffff:${address}`, 96 + Number(bits), 'ipv6');
    }
  }
  return list;
}

function addAddress(list: BlockList, address: string, family: 'ipv4' | 'ipv6'): void {
  list.addAddress(address, family);
  if (family === 'ipv4') list.addAddress(`::ffff:${address}`, 'ipv6');
}
