/** A block of IPv4 addresses: `first` with its host bits zero, and how many bits name the block. */
export interface Cidr {
  readonly first: number;
  readonly bits: number;
}

/** The address as an unsigned number, or undefined where the text is not a dotted quad. */
export function parseIpv4(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (!parts || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

/** A block, or a lone address as a block of one. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length = '32'] = text.split('/');
  const value = parseIpv4(address);
  const bits = Number(length);
  if (value === undefined || !Number.isInteger(bits) || bits < 0 || bits > 32) return undefined;
  return { first: value - (value % 2 ** (32 - bits)), bits };
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  const size = (cidr: Cidr): number => 2 ** (32 - cidr.bits);
  return a.first < b.first + size(b) && b.first < a.first + size(a);
}
