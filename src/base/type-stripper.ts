/**
 * Node strips types with a WebAssembly program that stays in memory once it was needed: 10 to 30 MB. Everything it made is
 * in the compile cache (NODE_COMPILE_CACHE), from which the next start reads plain code.
 */
import { flushCompileCache, getCompileCacheDir } from 'node:module';

/** Holds the process id of who did this already: it stays the same, and children have another. */
const RESTARTED = 'KNODE_RESTARTED';

/**
 * For a process that will live long, when all its modules are loaded and nothing else was done: starts the same program again
 * in the same process where types were stripped in this one. At most once; does nothing without a compile cache.
 */
export function restartWithoutStripper(environment: NodeJS.ProcessEnv): void {
  const pid = String(process.pid);
  if (!hasStripper() || !getCompileCacheDir() || environment[RESTARTED] === pid) return;
  flushCompileCache();
  const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve?.(process.execPath, args, { ...environment, [RESTARTED]: pid });
}

/** Node keeps a list of the parts of itself that it has loaded. */
function hasStripper(): boolean {
  const { moduleLoadList = [] } = process as { readonly moduleLoadList?: readonly string[] };
  return moduleLoadList.some((name) => name.includes('deps/amaro'));
}
