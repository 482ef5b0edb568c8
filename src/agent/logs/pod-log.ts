import path from 'node:path';
import type { HttpReply } from '#base/http-message.ts';
import type { Clock } from '#base/clock.ts';
import { ApiError, notFound } from '#api/meta/api-error.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { containerName } from '#agent/pods/container-name.ts';
import { readLog, type LogLine } from '#agent/logs/container-log.ts';
import { parseLogOptions, type LogOptions } from '#agent/logs/log-options.ts';
import { startOfTail } from '#agent/logs/log-tail.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';

export interface PodLogRequest {
  readonly namespace: string;
  readonly name: string;
  /** Of the request: `container`, `follow`, `previous`, `timestamps`, `tailLines`, `sinceSeconds`, `sinceTime`, `limitBytes`. */
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

interface Log {
  readonly file: string;
  readonly options: Omit<LogOptions, 'container' | 'previous'>;
  /** Aborted when nothing more will be written. */
  readonly end: AbortSignal;
}

/** GET …/pods/{name}/log. Throws ApiError with Kubernetes' own sentences, which kubectl prints. */
export function podLogReply(
  { name, query, signal }: PodLogRequest,
  { pod, sandbox, clock }: { pod: Pod | undefined; sandbox: PodSandbox | undefined; clock: Clock },
): HttpReply {
  const options = parseLogOptions(name, query, clock);
  if (!pod) throw notFound(Pod, name);
  const container = containerName(pod, options.container);
  // As Kubernetes: of a pod that waits for a node there is nothing to say, yet.
  if (!pod.spec?.nodeName) return { status: 204, headers: {}, body: '' };
  const record = sandbox?.container(container);
  const status = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.ephemeralContainerStatuses ?? []),
  ].find((each) => each.name === container);
  if (!sandbox || !record) {
    const reason = status?.state?.waiting?.reason ?? 'ContainerCreating';
    throw new ApiError(
      'BadRequest',
      `container "${container}" in pod "${name}" is waiting to start: ${reason}`,
    );
  }
  // Between two attempts, the one that has ended is the previous one already.
  const hasEnded = status?.lastState?.terminated?.containerID === `runc://${record.id}`;
  const attempt = record.attempt - (options.previous && !hasEnded ? 1 : 0);
  if (attempt < 0) {
    throw new ApiError(
      'BadRequest',
      `previous terminated container "${container}" in pod "${name}" not found`,
    );
  }
  const file = path.join(sandbox.bundleOf(container, attempt), 'log');
  const isOver = options.previous || record.terminated !== undefined;
  const end = isOver ? AbortSignal.abort() : sandbox.endOf(record.id);
  const body = logBytes({ file, options, end }, signal);
  return { status: 200, headers: { 'content-type': 'text/plain' }, body };
}

/** Of several logs that have ended, one after the other, by the same options for each. */
export function keptLogReply(
  { name, query, signal }: PodLogRequest,
  files: readonly string[],
  clock: Clock,
): HttpReply {
  const options = { ...parseLogOptions(name, query, clock), follow: false };
  const body = async function* (): AsyncGenerator<Buffer> {
    for (const file of files) yield* logBytes({ file, options, end: signal }, signal);
  };
  return { status: 200, headers: { 'content-type': 'text/plain' }, body: body() };
}

async function* logBytes({ file, options, end }: Log, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { tailLines, follow, limitBytes } = options;
  const from = tailLines === undefined ? undefined : await startOfTail(file, tailLines);
  const reading = {
    ...(follow && { follow: AbortSignal.any([end, signal]) }),
    ...(from && { from }),
  };
  const render = rendering(options);
  let left = limitBytes;
  for await (const lines of readLog(file, reading)) {
    const bytes = Buffer.from(lines.map(render).join(''), 'latin1').subarray(0, left);
    left -= bytes.length;
    if (bytes.length > 0) yield bytes;
    if (signal.aborted || left <= 0) return;
  }
}

/** To be called with one line after the other: a time stands before each whole line only. */
function rendering({ since, timestamps }: Log['options']): (line: LogLine) => string {
  let beginsLine = true;
  return ({ time, text }) => {
    if (time < since) return '';
    const begins = beginsLine;
    beginsLine = text.endsWith('\n');
    return timestamps && begins ? `${time} ${text}` : text;
  };
}
