import type { FieldError } from '#api/kind.ts';
import { missing } from '#api/meta/knative-error.ts';

/** What stands before the first slash names a registry where it has a dot or a colon: any authority of a URL. */
const REGISTRY = String.raw`(?:(?=[^/]*[.:])(?:[\w.~!$&'()*+,;=-]*|\[[0-9a-fA-F:.]+\])(?::\d*)?/)?`;
/** Upstream asks for two letters; one is taken here, as registries of one's own have such names. */
const REPOSITORY = '[a-z0-9_./-]{1,255}';
const TAG = String.raw`(?::[\w.-]{0,128})?`;
const REFERENCE = new RegExp(`^${REGISTRY}${REPOSITORY}${TAG}(?:@sha256:[0-9a-f]{64})?$`);

/** Of an image that cannot be read as one, in upstream's words; what it takes is a little more than registries do. */
export function imageErrors(image: string | undefined, path: string): FieldError[] {
  if (!image) return [missing(path)];
  if (REFERENCE.test(image)) return [];
  const details = `image: ${JSON.stringify(image)}, error: could not parse reference: ${image}`;
  return [{ path, message: 'Failed to parse image reference', details }];
}
