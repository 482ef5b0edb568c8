import type { FieldError } from '#api/kind.ts';
import { missing } from '#api/meta/knative-error.ts';

/** Without an end to what a registry may be called: a host, perhaps with a port, or an address in brackets. */
const REGISTRY = String.raw`(?:(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost|[A-Za-z0-9-]+(?=:))|\[[0-9a-fA-F:]+\])(?::\d{1,5})?`;
const REPOSITORY = '[a-z0-9._/-]{2,255}';
const REFERENCE = new RegExp(
  String.raw`^(?:${REGISTRY}/)?${REPOSITORY}(?::[A-Za-z0-9_.-]{1,128})?(?:@sha256:[0-9a-f]{64})?$`,
);
/** One letter names no repository of its own, but one under the registry's library. */
const SHORT = /^[a-z0-9](?::[A-Za-z0-9_.-]{1,128})?(?:@sha256:[0-9a-f]{64})?$/;

/** Of an image that cannot be read as one, in upstream's words; what it takes is a little more than registries do. */
export function imageErrors(image: string | undefined, path: string): FieldError[] {
  if (!image) return [missing(path)];
  if (REFERENCE.test(image) || SHORT.test(image)) return [];
  const details = `image: ${JSON.stringify(image)}, error: could not parse reference: ${image}`;
  return [{ path, message: 'Failed to parse image reference', details }];
}
