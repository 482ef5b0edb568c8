import net from 'node:net';
import { systemClock } from '#base/clock.ts';
import { readJsonLines, writeJsonLine } from '#base/json-lines.ts';
import { isObjectWithType, type FromCommand, type SupervisorStatus } from './report.ts';

/** A supervisor that is there and says nothing: stopped by a signal, or without a machine to run on. */
export class SupervisorSilent extends Error {
  override readonly name = 'SupervisorSilent';
}

/** To stop takes as long as the parts have to stop, twice 45 s, and a little. */
const ANSWER_MS = { status: 10_000, stop: 120_000 };

/** Sends a command to a home's supervisor and returns its answer; undefined where none runs. Throws SupervisorSilent. */
export async function askSupervisor(
  socketFile: string,
  command: FromCommand,
): Promise<SupervisorStatus | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<SupervisorStatus | undefined>();
  const socket = net.connect(socketFile);
  const waitMs = ANSWER_MS[command.type];
  using _deadline = systemClock.after(waitMs, () =>
    reject(
      new SupervisorSilent(
        `The supervisor at ${socketFile} did not answer '${command.type}' within ${waitMs / 1000} s; if it hangs, end it with kill -9 and run 'knode down'`,
      ),
    ),
  );
  socket.once('connect', () => writeJsonLine(socket, command));
  socket.once('error', () => resolve(undefined));
  socket.once('close', () => resolve(undefined));
  readJsonLines(socket, (value) => {
    if (isObjectWithType(value) && value.type === 'status') resolve(value as SupervisorStatus);
  });
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
