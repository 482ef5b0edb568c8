import { isDeepStrictEqual } from 'node:util';
import { canonicalAmount } from '#api/meta/canonical.ts';
import { isThere } from '#api/meta/knative-error.ts';
import { isQuantity } from '#api/meta/quantity.ts';

/** Differences beyond these are not told: whoever changed so much knows it. */
const DIFFERENCES_MAX = 20;
/** Fields of a revision's spec that are a pod's, which upstream's type has as a part. */
const OWN_FIELDS = [
  'containerConcurrency',
  'timeoutSeconds',
  'responseStartTimeoutSeconds',
  'idleTimeoutSeconds',
];

/**
 * What changed between two values, as Knative tells it: the path in its own types, and below it the value before and
 * after. Empty where nothing did. `root` names the type, as `{v1.RevisionSpec}`.
 */
export function shortDiff(before: unknown, after: unknown, root: string): string {
  const lines: string[] = [];
  for (const { path, values } of differences(before, after, [])) {
    if (lines.length >= DIFFERENCES_MAX) break;
    const [old, next] = values.map(shown);
    const isPointer = OWN_FIELDS.includes(String(path.at(-1)));
    lines.push(`${isPointer ? '*' : ''}${root}${goPath(path)}:\n\t-: ${old}\n\t+: ${next}\n`);
  }
  return lines.join('');
}

/** An empty list is as good as none. */
export function isChanged(before: unknown, after: unknown): boolean {
  return differences(before, after, []).next().done !== true;
}

type Path = readonly (string | number)[];
interface Difference {
  readonly path: Path;
  readonly values: readonly [unknown, unknown];
}

function* differences(before: unknown, after: unknown, path: Path): Generator<Difference> {
  if (isDeepStrictEqual(before, after) || (!isThere(before) && !isThere(after))) return;
  if (path.some((part) => AMOUNTS.includes(part)) && isSameAmount(before, after)) return;
  if (!isContainer(before) || !isContainer(after)) {
    yield { path, values: [before, after] };
    return;
  }
  const isList = Array.isArray(before) && Array.isArray(after);
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const at = [...path, isList ? Number(key) : key];
    yield* differences(Reflect.get(before, key), Reflect.get(after, key), at);
  }
}

/** Where amounts of resources are, which may be written in several ways. */
const AMOUNTS: readonly (string | number)[] = ['resources', 'sizeLimit'];

function isSameAmount(before: unknown, after: unknown): boolean {
  const [a, b] = [before, after].map((text) =>
    typeof text === 'string' && isQuantity(text) ? canonicalAmount(text) : undefined,
  );
  return a !== undefined && a === b;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function goPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      const isInSpec = index === 0 || (index === 1 && path[0] === 'spec');
      const isOfPod = isInSpec && !['metadata', 'spec', ...OWN_FIELDS].includes(part);
      return `${isOfPod ? '.PodSpec' : ''}.${part.charAt(0).toUpperCase()}${part.slice(1)}`;
    })
    .join('');
}

function shown(value: unknown): string {
  if (value === undefined) return '""';
  const text = JSON.stringify(value);
  return typeof value === 'number' || typeof value === 'boolean' ? `"${text}"` : text;
}
