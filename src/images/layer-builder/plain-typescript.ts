import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import type { LayerEntry } from './layer-archive.ts';

const TYPESCRIPT = /\.[cm]?ts$/;
/** What is larger was not written by hand, and is left to Node. */
const FILE_BYTES_MAX = 1024 * 1024;

/** Where an image has what tells Node that types are gone already. */
const HOOK_IN_IMAGE = '/usr/local/lib/knode/plain-typescript.mjs';

/** Ends every file without its types; what is put beside them later is what Node takes it for. */
const MARK = '\n// Its types were taken out when the image was built.\n';

/** In every image's Node layer; does nothing unless `PLAIN_TYPESCRIPT_ENV` names it. */
export const plainTypeScriptHook: LayerEntry = {
  kind: 'text',
  path: HOOK_IN_IMAGE.slice(1),
  mode: 0o644,
  text: `import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const isPlain = (url) =>
  url.startsWith('file:') && readFileSync(new URL(url), 'latin1').endsWith(${JSON.stringify(MARK)});

registerHooks({
  load(url, context, next) {
    const format = /^(module|commonjs)-typescript$/.exec(context.format)?.[1];
    return next(url, format && isPlain(url) ? { ...context, format } : context);
  },
});
`,
};

/** A program that sets NODE_OPTIONS itself goes without, and Node looks for types in vain: slower, and right. */
export const PLAIN_TYPESCRIPT_ENV = `NODE_OPTIONS=--import=${HOOK_IN_IMAGE}`;

/**
 * The same files with white space where types were, so that lines and columns stay: taking types out is more than half
 * of what a small program's start costs Node, each time. Undefined where there are none, or where Node alone can say
 * what is wrong with one.
 */
export async function withoutTypes(
  entries: readonly LayerEntry[],
): Promise<readonly LayerEntry[] | undefined> {
  let hasSome = false;
  const plain: LayerEntry[] = [];
  for (const entry of entries) {
    if (entry.kind !== 'file' || !TYPESCRIPT.test(entry.path)) {
      plain.push(entry);
      continue;
    }
    if (entry.size > FILE_BYTES_MAX) return undefined;
    const text = strip(await readFile(entry.source, 'utf8'));
    if (text === undefined) return undefined;
    hasSome = true;
    plain.push({ kind: 'text', path: entry.path, mode: entry.mode, text });
  }
  return hasSome ? plain : undefined;
}

function strip(text: string): string | undefined {
  try {
    return `${stripTypeScriptTypes(text)}${MARK}`;
  } catch {
    // Not erasable, or no TypeScript: Node says so when it is run, with the place.
    return undefined;
  }
}
