import { BlockList, isIPv6 } from 'node:net';

const blocked = new BlockList();
blocked.addSubnet('169.254.0.0', 16, 'ipv4');
blocked.addSubnet('fe80::', 10, 'ipv6');
// The same addresses of IPv4 in the clothes of IPv6.
blocked.addSubnet('::ffff:169.254.0.0', 112, 'ipv6');
// Where EC2 answers over IPv6.
blocked.addAddress('fd00:ec2::254', 'ipv6');

export function isLinkLocal(address: string): boolean {
  return blocked.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
