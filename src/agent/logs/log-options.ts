import type { Clock } from '#base/clock.ts';
import type { FieldError } from '#api/kind.ts';
import { ApiError, invalid } from '#api/meta/api-error.ts';
import { forbiddenField, wrongValue } from '#api/meta/field-error.ts';
import { isTrue } from '#api/meta/query-flag.ts';
import { negativeErrors } from '#api/meta/value-errors.ts';

/** What a client asks of a log (core/v1 PodLogOptions), checked. */
export interface LogOptions {
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  /** The beginning of a time as logs have it: lines from before it are left out. */
  readonly since: string;
  readonly limitBytes: number;
}

const PodLogOptions = { group: '', kind: 'PodLogOptions', plural: '' };

/** Throws BadRequest and Invalid with Kubernetes' own sentences. */
export function parseLogOptions(name: string, query: URLSearchParams, clock: Clock): LogOptions {
  const tailLines = wholeNumber(query, 'tailLines');
  const limitBytes = wholeNumber(query, 'limitBytes');
  const sinceSeconds = wholeNumber(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime') || undefined;
  const errors = [
    ...negativeErrors('tailLines', tailLines),
    ...notPositiveErrors('limitBytes', limitBytes),
    ...(sinceTime !== undefined && sinceSeconds !== undefined
      ? [forbiddenField('[]', 'at most one of `sinceTime` or `sinceSeconds` may be specified')]
      : []),
    ...notPositiveErrors('sinceSeconds', sinceSeconds),
    ...(query.has('stream') ? [forbiddenField('stream', 'may not be specified')] : []),
  ];
  if (errors.length > 0) throw invalid(PodLogOptions, name, errors);
  return {
    container: query.get('container') ?? '',
    follow: isTrue(query, 'follow'),
    previous: isTrue(query, 'previous'),
    timestamps: isTrue(query, 'timestamps'),
    tailLines,
    since: logTime(sinceSeconds === undefined ? sinceTime : ago(sinceSeconds, clock)),
    limitBytes: limitBytes ?? Infinity,
  };
}

function notPositiveErrors(path: string, value: number | undefined): FieldError[] {
  if (value === undefined || value > 0) return [];
  return [wrongValue(path, value, 'must be greater than 0')];
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const quoted = JSON.stringify(text);
  if (!/^[+-]?\d+$/.test(text))
    throw new ApiError('BadRequest', `strconv.ParseInt: parsing ${quoted}: invalid syntax`);
  const number = BigInt(text.replace('+', ''));
  if (number !== BigInt.asIntN(64, number))
    throw new ApiError('BadRequest', `strconv.ParseInt: parsing ${quoted}: value out of range`);
  return Number(number);
}

function ago(seconds: number, clock: Clock): string {
  return new Date(Math.max(0, clock.now().getTime() - seconds * 1000)).toISOString();
}

/** RFC 3339 as logs write it, in UTC without its end, so that their text has their order. */
function logTime(text: string | undefined): string {
  if (text === undefined) return '';
  const match = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.exec(text);
  const time = match ? Date.parse(text) : Number.NaN;
  if (!match || Number.isNaN(time))
    throw new ApiError(
      'BadRequest',
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": it is not an RFC 3339 time`,
    );
  return new Date(time).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length) + (match[1] ?? '');
}
