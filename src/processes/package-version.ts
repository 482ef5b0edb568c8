import { readFileSync } from 'node:fs';

/** Of this program. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  // The package's own file.
  return (JSON.parse(text) as { version: string }).version;
}
