import { finished } from 'node:stream/promises';
import type { Clock } from '#base/clock.ts';
import type { RemoteProgram, StandardStreams, TerminalSize } from '#base/standard-streams.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { isTrue } from '#api/meta/query-flag.ts';
import { exitStatus, failureStatus } from '#apiserver/upgrade/program-status.ts';

/** Which streams a request for a program asks for. */
export interface WantedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** A program for one client. */
export interface ServedProgram {
  readonly run: RemoteProgram;
  readonly wanted: WantedStreams;
  readonly clock: Clock;
  /** Cuts the client off. */
  readonly signal: AbortSignal;
}

/** Throws BadRequest with Kubernetes' own sentences. */
export function wantedStreams(query: URLSearchParams): WantedStreams {
  const [stdin, stdout, stderr, tty] = ['stdin', 'stdout', 'stderr', 'tty'].map((name) =>
    isTrue(query, name),
  ) as [boolean, boolean, boolean, boolean];
  if (!stdin && !stdout && !stderr)
    throw new ApiError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr');
  if (tty && stderr) throw new ApiError('BadRequest', 'tty and stderr cannot both be true');
  return { stdin, stdout, stderr, tty };
}

/** Runs it and returns the Status that tells of its end, once all output is on its way. */
export async function runProgram(
  run: RemoteProgram,
  streams: StandardStreams,
  signal: AbortSignal,
): Promise<string> {
  const status = await run(streams, signal).then(exitStatus, failureStatus);
  const outputs = [streams.stdout, streams.stderr].filter((stream) => stream !== undefined);
  await Promise.all(
    outputs.map(async (output) => {
      output.end();
      // Who has gone needs no output.
      await finished(output, { readable: false }).catch(() => undefined);
    }),
  );
  return JSON.stringify(status);
}

const SIZE_MAX = 65_535;

/** `{"Width":80,"Height":24}`; undefined for anything else, which is passed over. */
export function parseSize(text: string): TerminalSize | undefined {
  try {
    const { Width: columns, Height: rows } = JSON.parse(text) as Record<string, unknown>;
    return isCount(columns) && isCount(rows) ? { columns, rows } : undefined;
  } catch {
    return undefined; // A window's size is not worth a broken connection.
  }
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= SIZE_MAX;
}
