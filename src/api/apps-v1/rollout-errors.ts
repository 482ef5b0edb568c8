import type { FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { negativeErrors } from '#api/meta/value-errors.ts';

type Bound = number | string;

const PERCENT_TEXT =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

/** A number of pods, or a share of them. */
export function boundErrors(path: string, bound: Bound | undefined): FieldError[] {
  if (typeof bound !== 'string') return negativeErrors(path, bound);
  return /^[0-9]+%$/.test(bound) ? [] : [wrongValue(path, bound, PERCENT_TEXT)];
}

export function isNoBound(bound: Bound | undefined): boolean {
  return bound === undefined || Number.parseInt(String(bound), 10) === 0;
}

/** A share is at most all of them. */
export function wholeErrors(path: string, bound: Bound | undefined): FieldError[] {
  const isTooMuch = typeof bound === 'string' && Number.parseInt(bound, 10) > 100;
  return isTooMuch ? [wrongValue(path, bound, 'must not be greater than 100%')] : [];
}

interface Bounds {
  readonly maxSurge?: Bound;
  readonly maxUnavailable?: Bound;
}

/** Of a Deployment: some pods must be allowed to be missing, or to be too many, or nothing could move. */
export function deploymentBoundsErrors(bounds: Bounds, at: string): FieldError[] {
  const { maxSurge, maxUnavailable } = bounds;
  const path = `${at}.maxUnavailable`;
  return [
    ...boundErrors(path, maxUnavailable),
    ...boundErrors(`${at}.maxSurge`, maxSurge),
    ...(isNoBound(maxSurge) && isNoBound(maxUnavailable)
      ? [wrongValue(path, maxUnavailable, 'may not be 0 when `maxSurge` is 0')]
      : []),
    ...wholeErrors(path, maxUnavailable),
  ];
}

/** Of a DaemonSet: exactly one of the two. */
export function daemonBoundsErrors(bounds: Bounds, at: string): FieldError[] {
  const { maxSurge, maxUnavailable } = bounds;
  const errors = [
    ...boundErrors(`${at}.maxUnavailable`, maxUnavailable),
    ...boundErrors(`${at}.maxSurge`, maxSurge),
    ...wholeErrors(`${at}.maxUnavailable`, maxUnavailable),
    ...wholeErrors(`${at}.maxSurge`, maxSurge),
  ];
  if (isNoBound(maxSurge) !== isNoBound(maxUnavailable)) return errors;
  if (isNoBound(maxSurge)) {
    return [...errors, required(`${at}.maxUnavailable`, 'cannot be 0 when maxSurge is 0')];
  }
  const why = 'may not be set when maxUnavailable is non-zero';
  return [...errors, wrongValue(`${at}.maxSurge`, maxSurge, why)];
}
