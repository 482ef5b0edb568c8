/*
 * JSON.parse keeps the last of two equal keys without a word, and nests as deep as it is told. This pass over a text that
 * is known to be valid JSON finds both; it keeps its own stack, so that depth costs it nothing.
 */

export interface JsonFields {
  /** Paths of keys that an object has twice: `spec.containers[0].image`. */
  readonly duplicates: readonly string[];
  /** How deep arrays and objects nest; counting stops above `depthMax`. */
  readonly depth: number;
}

type Frame =
  | { readonly keys: Set<string>; readonly path: string; key: string }
  | { readonly keys: undefined; readonly path: string; next: number };

/** `text` must be valid JSON. */
export function scanJsonFields(text: string, depthMax: number): JsonFields {
  const duplicates: string[] = [];
  const stack: Frame[] = [];
  let depth = 0;
  let isKey = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    const frame = stack.at(-1);
    if (char === '"') {
      const end = stringEnd(text, at);
      if (isKey && frame?.keys) {
        readKey(frame, JSON.parse(text.slice(at, end + 1)) as string, duplicates);
        isKey = false;
      }
      at = end;
    } else if (char === '{' || char === '[') {
      const path = frame ? childPath(frame) : '';
      stack.push(
        char === '{' ? { keys: new Set(), path, key: '' } : { keys: undefined, path, next: 0 },
      );
      isKey = char === '{';
      depth = Math.max(depth, stack.length);
      if (depth > depthMax) break;
    } else if (char === '}' || char === ']') {
      stack.pop();
      isKey = false;
    } else if (char === ',' && frame) {
      if (frame.keys) isKey = true;
      else frame.next += 1;
    }
  }
  return { duplicates, depth };
}

function readKey(frame: Extract<Frame, { key: string }>, key: string, duplicates: string[]): void {
  frame.key = key;
  if (frame.keys.has(key)) duplicates.push(childPath(frame));
  frame.keys.add(key);
}

function childPath(frame: Frame): string {
  if (!frame.keys) return `${frame.path}[${frame.next}]`;
  return frame.path === '' ? frame.key : `${frame.path}.${frame.key}`;
}

/** Where the string that begins at `start` ends: its closing quote. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    at = text.indexOf('"', at);
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
}
