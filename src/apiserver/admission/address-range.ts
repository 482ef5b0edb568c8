import { BlockList, isIPv4 } from 'node:net';

/** IPv4 addresses that can be handed out: those of a network without its first and last. */
export interface AddressRange {
  /** As it was given: `10.96.0.0/16`. */
  readonly text: string;
  readonly size: number;
  readonly first: number;
  contains(address: string): boolean;
}

/** Throws TypeError for what is no IPv4 network of 4 to 2^24 addresses: that is a wiring bug. */
export function parseRange(text: string): AddressRange {
  const [network = '', bits = ''] = text.split('/');
  const prefix = Number(bits);
  if (!isIPv4(network) || !Number.isInteger(prefix) || prefix < 8 || prefix > 30) {
    throw new TypeError(`Cannot use the service range "${text}": expected IPv4 as 10.96.0.0/16`);
  }
  const block = new BlockList();
  block.addSubnet(network, prefix, 'ipv4');
  const count = 2 ** (32 - prefix);
  const number = network.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return {
    text,
    size: count - 2,
    first: number - (number % count) + 1,
    contains: (address) => isIPv4(address) && block.check(address, 'ipv4'),
  };
}

/** The address at `index`, 0 for the first that can be handed out. */
export function addressAt(range: AddressRange, index: number): string {
  const number = range.first + index;
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}
