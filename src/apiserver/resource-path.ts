import { ApiError } from '#api/meta/api-error.ts';

/** What a request's path names, before it is known whether there is such a kind. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  /** What follows the subresource, without a leading slash: `proxy/<this>`. */
  readonly rest?: string;
  /** Asked for by the older `/api/v1/watch/…`. */
  readonly isWatch?: true;
}

const NAMESPACE_SUBRESOURCES = ['status', 'finalize'];

/** Undefined where `path` is not below `/api/v1` or `/apis/<group>/<version>`. Throws BadRequest on a bad escape. */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = path.split('/').slice(1);
  const segments = path.includes('%') ? parts.map(decodeSegment) : parts;
  if (segments.at(-1) === '') segments.pop();
  const isCore = segments[0] === 'api';
  if (!isCore && segments[0] !== 'apis') return undefined;
  const [group, version] = isCore ? ['', segments[1]] : [segments[1], segments[2]];
  const rest = segments.slice(isCore ? 2 : 3);
  const isWatch = rest[0] === 'watch';
  if (isWatch) rest.shift();
  if (group === undefined || version === undefined || rest.length === 0) return undefined;
  const [first, second, third] = rest;
  const base = { group, version, ...(isWatch && { isWatch }) };
  const isOfNamespace =
    rest.length < 3 ||
    (isCore && rest.length === 3 && NAMESPACE_SUBRESOURCES.includes(third ?? ''));
  if (first !== 'namespaces' || isOfNamespace) return ofParts(base, rest);
  return ofParts({ ...base, ...(second && { namespace: second }) }, rest.slice(2));
}

function ofParts(
  base: Pick<ResourcePath, 'group' | 'version' | 'namespace' | 'isWatch'>,
  parts: readonly string[],
): ResourcePath | undefined {
  const [plural, name, subresource, ...rest] = parts;
  if (!plural) return undefined;
  return {
    ...base,
    plural,
    ...(name && { name }),
    ...(subresource && { subresource }),
    ...(rest.length > 0 && { rest: rest.join('/') }),
  };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new ApiError('BadRequest', `invalid percent-encoding in the path segment "${segment}"`);
  }
}
