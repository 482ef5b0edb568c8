import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Platform } from '#test/support/platform.ts';
import { pushImage } from '#test/support/sample-image.ts';

/**
 * An image whose program waits, or does what hostile-program.py has under its first argument; by this machine's Python,
 * which has raw sockets and system calls at hand.
 */
export async function hostileImage(platform: Platform): Promise<string> {
  const source = path.join(platform.home, 'hostile');
  mkdirSync(source, { recursive: true });
  const program = path.join(import.meta.dirname, 'hostile-program.py');
  copyFileSync(program, path.join(source, 'server.py'));
  return await pushImage(platform, { name: 'hostile', source });
}

/** The arguments of `kubectl exec` after the pod's name, or a container's command. */
export function hostileCommand(...args: readonly string[]): readonly string[] {
  return ['python3', '/app/server.py', ...args];
}
