import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { KeyPair } from '#base/x509/certificate.ts';

const BLOCK = /-----BEGIN (?<label>[A-Z ]+)-----\n[^-]+-----END \k<label>-----\n?/g;

/**
 * Reads a file of a private key and its certificate: one file, so that no crash can leave a key beside another's
 * certificate. Undefined where there is no file. Throws an Error that says what is wrong with it otherwise.
 */
export async function readKeyPair(file: string): Promise<KeyPair | undefined> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  const blocks = new Map(
    [...text.matchAll(BLOCK)].map((match) => [match.groups?.['label'], match[0]]),
  );
  const [certificate, key] = [blocks.get('CERTIFICATE'), blocks.get('PRIVATE KEY')];
  if (certificate === undefined || key === undefined) {
    throw unreadable(file, 'it does not hold a certificate and a private key');
  }
  if (!belongTogether(file, { certificate, key })) {
    throw unreadable(file, 'its certificate is not of its private key');
  }
  return { certificate, key };
}

export function keyPairText({ certificate, key }: KeyPair): string {
  return `${key.trimEnd()}\n${certificate.trimEnd()}\n`;
}

export async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export function unreadable(file: string, why: string, cause?: unknown): Error {
  const advice = 'restore it from a backup, or remove it to have a new one made';
  return new Error(`Cannot use ${file}: ${why}; ${advice}`, { cause });
}

function belongTogether(file: string, { certificate, key }: KeyPair): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw unreadable(file, 'it is damaged', error);
  }
}
