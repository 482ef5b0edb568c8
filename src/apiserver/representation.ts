import { ApiError } from '#api/meta/api-error.ts';

/** How a client wants objects told: whole, as rows of a Table, or their metadata alone. */
export type Representation = 'object' | 'table' | 'metadata';

/**
 * The first acceptable type of an Accept list; protobuf and other unknown types are passed over. Throws NotAcceptable
 * where none is left.
 */
export function parseAccept(accept: string | undefined): Representation {
  if (accept === undefined || accept.trim() === '') return 'object';
  for (const range of accept.split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    if (type !== 'application/json' && type !== 'application/*' && type !== '*/*') continue;
    const representation = representationOf(new Map(parameters.map(pairOf)));
    if (representation) return representation;
  }
  throw new ApiError(
    'NotAcceptable',
    'only the following media types are accepted: application/json',
  );
}

function representationOf(parameters: ReadonlyMap<string, string>): Representation | undefined {
  const as = parameters.get('as');
  if (as === undefined) return 'object';
  if (parameters.get('g') !== 'meta.k8s.io' || parameters.get('v') !== 'v1') return undefined;
  if (as === 'table') return 'table';
  return as.startsWith('partialobjectmetadata') ? 'metadata' : undefined;
}

function pairOf(parameter: string): [string, string] {
  const at = parameter.indexOf('=');
  return at < 0 ? [parameter, ''] : [parameter.slice(0, at), parameter.slice(at + 1)];
}
