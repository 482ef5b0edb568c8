import path from 'node:path';
import type { HttpReply } from '#base/http-message.ts';
import type { Clock } from '#base/clock.ts';
import { ApiError, notFound } from '#api/meta/api-error.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { containerName } from '#agent/pods/container-name.ts';
import { readLogLines } from '#agent/pods/container-log.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';

export interface PodLogRequest {
  readonly namespace: string;
  readonly name: string;
  /** Of the request: `container`, `follow`, `previous`, `timestamps`, `tailLines`, `sinceSeconds`, `sinceTime`, `limitBytes`. */
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

interface LogSelection {
  readonly file: string;
  /** Followed until it is aborted; undefined: what there is now. */
  readonly end: AbortSignal | undefined;
  readonly hasTimes: boolean;
  readonly tailLines: number | undefined;
  readonly since: string | undefined;
  readonly bytesMax: number;
}

/** GET …/pods/{name}/log. Throws ApiError with Kubernetes' own sentences, which kubectl prints. */
export function podLogReply(
  { name, query, signal }: PodLogRequest,
  { pod, sandbox, clock }: { pod: Pod | undefined; sandbox: PodSandbox | undefined; clock: Clock },
): HttpReply {
  if (!pod) throw notFound(Pod, name);
  const container = containerName(pod, query.get('container') ?? '');
  const record = sandbox?.container(container);
  if (!sandbox || !record) {
    const state = pod.status?.containerStatuses?.find((status) => status.name === container)?.state;
    const reason = state?.waiting?.reason ?? 'ContainerCreating';
    throw new ApiError(
      'BadRequest',
      `container "${container}" in pod "${name}" is waiting to start: ${reason}`,
    );
  }
  const isPrevious = isTrue(query.get('previous'));
  if (isPrevious && record.attempt === 0) {
    throw new ApiError(
      'BadRequest',
      `previous terminated container "${container}" in pod "${name}" not found`,
    );
  }
  const attempt = record.attempt - (isPrevious ? 1 : 0);
  const follows = isTrue(query.get('follow')) && !isPrevious;
  const ended = record.terminated ? AbortSignal.abort() : sandbox.endOf(record.id);
  const body = logBytes(
    {
      file: path.join(sandbox.bundleOf(container, attempt), 'log'),
      end: follows ? AbortSignal.any([ended, signal]) : undefined,
      hasTimes: isTrue(query.get('timestamps')),
      tailLines: count(query, 'tailLines'),
      since: sinceTime(query, clock),
      bytesMax: count(query, 'limitBytes') ?? Infinity,
    },
    signal,
  );
  return { status: 200, headers: { 'content-type': 'text/plain' }, body };
}

async function* logBytes(selection: LogSelection, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { file, end, hasTimes, tailLines, since = '', bytesMax } = selection;
  let toSkip = tailLines === undefined ? 0 : (await countLines(file, since)) - tailLines;
  let left = bytesMax;
  let beginsLine = true;
  for await (const { time, text } of readLogLines(file, end && { follow: end })) {
    if (signal.aborted || left <= 0) return;
    if (time < since) continue;
    const begins = beginsLine;
    beginsLine = text.endsWith('\n');
    if (toSkip > 0) {
      if (beginsLine) toSkip -= 1;
      continue;
    }
    const bytes = Buffer.from(hasTimes && begins ? `${time} ${text}` : text, 'latin1').subarray(
      0,
      left,
    );
    left -= bytes.length;
    yield bytes;
  }
}

async function countLines(file: string, since: string): Promise<number> {
  let lines = 0;
  for await (const { time, text } of readLogLines(file)) {
    if (time >= since && text.endsWith('\n')) lines += 1;
  }
  return lines;
}

/** conmon writes times in UTC with nanoseconds and an offset, so their text has their order. */
function sinceTime(query: URLSearchParams, clock: Clock): string | undefined {
  const seconds = count(query, 'sinceSeconds');
  const since = query.get('sinceTime');
  const date = seconds === undefined ? since : clock.now().getTime() - seconds * 1000;
  if (date === null) return undefined;
  const parsed = new Date(date);
  if (Number.isNaN(parsed.getTime()))
    throw new ApiError('BadRequest', `sinceTime: found "${since}", wanted an RFC 3339 time`);
  return parsed.toISOString().replace('Z', '');
}

function count(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw new ApiError(
      'BadRequest',
      `${name}: found "${text}", wanted a whole number that is not negative`,
    );
  return Number(text);
}

function isTrue(text: string | null): boolean {
  return text === 'true' || text === '1';
}
