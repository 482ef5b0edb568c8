import { randomBytes, randomUUID } from 'node:crypto';

/** Chance as a dependency, so tests can own it. */
export interface Random {
  /** In [0, 1). */
  fraction(): number;
  /** An RFC 9562 version 4 UUID. */
  uuid(): string;
  /** `length` hexadecimal digits in lower case, an even number of them. */
  hex(length: number): string;
  /** `length` characters of Kubernetes' name alphabet: no vowels, none that look alike. */
  suffix(length: number): string;
}

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

export const systemRandom: Random = {
  fraction: Math.random,
  uuid: randomUUID,
  hex: (length) => randomBytes(length / 2).toString('hex'),
  suffix: (length) => suffixOf(randomBytes(length)),
};

/** The same sequence for the same seed, for tests; print the seed where a test draws one. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const fraction = (): number => {
    // mulberry32: enough for test sequences, not for anything secret.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const bytes = (length: number): Buffer =>
    Buffer.from(Array.from({ length }, () => Math.floor(fraction() * 256)));
  return {
    fraction,
    uuid: () => {
      const hex = bytes(16).toString('hex');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
    },
    hex: (length) => bytes(length / 2).toString('hex'),
    suffix: (length) => suffixOf(bytes(length)),
  };
}

function suffixOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}
