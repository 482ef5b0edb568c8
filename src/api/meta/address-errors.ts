import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import type { FieldError } from '#api/kind.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import { nameErrors, portName } from '#api/meta/name-errors.ts';
import { rangeErrors } from '#api/meta/value-errors.ts';

const PORTS = { first: 1, last: 65_535 };
const ADDRESS_TEXT = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const RANGE_TEXT = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

export function portErrors(path: string, port: number | undefined): FieldError[] {
  return rangeErrors(path, port ?? 0, PORTS);
}

/** Of a port by its number, or by its name. */
export function namedPortErrors(path: string, port: number | string | undefined): FieldError[] {
  return typeof port === 'string' ? nameErrors(portName, path, port) : portErrors(path, port);
}

export function addressErrors(path: string, address: string): FieldError[] {
  return isIP(address) === 0 ? [wrongValue(path, address, ADDRESS_TEXT)] : [];
}

/** Of an address that traffic is led to: none that means another machine on each of them. */
export function endpointAddressErrors(path: string, address: string): FieldError[] {
  if (isIP(address) === 0) return [wrongValue(path, address, 'must be a valid IP address')];
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  return special
    .filter(({ ranges }) => ranges.check(address, family))
    .map(({ text }) => wrongValue(path, address, text.replace('%', address)));
}

const special = [
  { text: 'may not be unspecified (%)', ranges: rangesOf('0.0.0.0/32', '::/128') },
  {
    text: 'may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ranges: rangesOf('127.0.0.0/8', '::1/128'),
  },
  {
    text: 'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ranges: rangesOf('169.254.0.0/16', 'fe80::/10'),
  },
  {
    text: 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
    ranges: rangesOf('224.0.0.0/24', 'ff02::/16'),
  },
];

function rangesOf(...texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits] = text.split('/');
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}

export function addressRangeErrors(path: string, range: string): FieldError[] {
  return isRange(range) ? [] : [wrongValue(path, range, RANGE_TEXT)];
}

/** `10.0.0.0/8`, `2001:db8::/64` */
export function isRange(text: string): boolean {
  const [address = '', bits = '', more] = text.split('/');
  const bitsMax = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  return more === undefined && /^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax;
}

/** Whether all of one range, and not all there is, is in the other; both are ranges. */
export function isStrictPart(part: string, whole: string): boolean {
  const [address = '', bits] = part.split('/');
  const isWider = Number(whole.split('/')[1]) < Number(bits);
  return isWider && rangesOf(whole).check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}
