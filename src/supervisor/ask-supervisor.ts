import net from 'node:net';
import { readJsonLines, writeJsonLine } from '#base/json-lines.ts';
import { isObjectWithType, type FromCommand, type SupervisorStatus } from './report.ts';

/** Sends a command to a home's supervisor and returns its answer; undefined where none runs. Waits as long as it takes. */
export async function askSupervisor(
  socketFile: string,
  command: FromCommand,
): Promise<SupervisorStatus | undefined> {
  const { promise, resolve } = Promise.withResolvers<SupervisorStatus | undefined>();
  const socket = net.connect(socketFile);
  socket.once('connect', () => writeJsonLine(socket, command));
  socket.once('error', () => resolve(undefined));
  socket.once('close', () => resolve(undefined));
  readJsonLines(socket, (value) => {
    if (isObjectWithType(value) && value.type === 'status') resolve(value as SupervisorStatus);
  });
  const answer = await promise;
  socket.destroy();
  return answer;
}
