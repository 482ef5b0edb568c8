import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { mergeKubeconfig } from '#client/kubeconfig.ts';
import { pathsOf } from '#supervisor/settings.ts';
import type { Invocation } from './invocation.ts';
import { print, remark, UserError } from './terminal.ts';

export async function kubeconfig(
  invocation: Invocation,
  { merge }: { readonly merge?: boolean },
): Promise<void> {
  const ours = readKubeconfig(invocation.home);
  if (!merge) {
    print(ours.trimEnd());
    return;
  }
  const target = targetOf(invocation.environment);
  const existing = readIfThere(target);
  mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
  await writeFileAtomic(target, mergeKubeconfig(existing, ours), 0o600);
  remark(`Merged into ${target}; kubectl uses it with the context "knode", which is now current.`);
}

export function readKubeconfig(home: string): string {
  const file = pathsOf(home).kubeconfig;
  const text = readIfThere(file);
  if (text === undefined) {
    throw new UserError(
      `Cannot read ${file}: knode has not been started with this state; run 'knode up' first, or set KNODE_HOME`,
    );
  }
  return text;
}

/** The first file of $KUBECONFIG, as kubectl writes to it; else ~/.kube/config. */
function targetOf(environment: Invocation['environment']): string {
  const first = environment['KUBECONFIG']?.split(path.delimiter).find((name) => name !== '');
  return first ?? path.join(environment['HOME'] ?? '/root', '.kube', 'config');
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
