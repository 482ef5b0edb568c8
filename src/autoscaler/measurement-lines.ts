import type { Socket } from 'node:net';
import { readJsonLines, writeJsonLine } from '#base/json-lines.ts';
import type { FromAutoscaler, FromGateway } from '#autoscaler/measurements.ts';

/** Longest line either side accepts. A report of 10,000 busy revisions with the longest names stays below it. */
const LINE_BYTES_MAX = 4 * 1024 * 1024;

/** Unread bytes after which a peer counts as stuck and its connection is closed. */
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024;

/** A line that is JSON but no message of this protocol. */
class MeasurementError extends Error {
  override readonly name = 'MeasurementError';
}

/** Calls `onMessage` with each line that `parse` understands; destroys the socket at the first that it does not. */
export function readMessages<T>(
  socket: Socket,
  parse: (value: unknown) => T,
  onMessage: (message: T) => void,
): void {
  const onValue = (value: unknown): void => {
    // Lines that came in one packet with a refused one still arrive here.
    if (socket.destroyed) return;
    try {
      onMessage(parse(value));
    } catch (error) {
      if (!(error instanceof MeasurementError)) throw error;
      socket.destroy(error);
    }
  };
  readJsonLines(socket, onValue, LINE_BYTES_MAX);
}

/** False where the peer does not take what it is sent; its connection is then closed. */
export function writeLine(socket: Socket, message: FromGateway | FromAutoscaler): boolean {
  if (!socket.writable) return false;
  if (socket.writableLength > BACKLOG_BYTES_MAX) {
    socket.destroy();
    return false;
  }
  writeJsonLine(socket, message);
  return true;
}

export function parseFromGateway(value: unknown): FromGateway {
  const message = fieldsOf(value);
  switch (message['type']) {
    case 'report':
      return {
        type: 'report',
        atMs: amount(message, 'atMs'),
        periodMs: amount(message, 'periodMs'),
        loads: list(message, 'loads').map((load) => ({
          namespace: text(load, 'namespace'),
          revision: text(load, 'revision'),
          concurrency: amount(load, 'concurrency'),
          requests: amount(load, 'requests'),
        })),
      };
    case 'demand':
      return { type: 'demand', ...revisionOf(message), waiting: amount(message, 'waiting') };
    case 'coldStart':
      return {
        type: 'coldStart',
        ...revisionOf(message),
        pod: text(message, 'pod'),
        arrivedMs: amount(message, 'arrivedMs'),
        admittedMs: amount(message, 'admittedMs'),
        answeredMs: amount(message, 'answeredMs'),
      };
    case 'drained':
      return { type: 'drained', ...podOf(message) };
    default:
      throw unknownType(message);
  }
}

export function parseFromAutoscaler(value: unknown): FromAutoscaler {
  const message = fieldsOf(value);
  switch (message['type']) {
    case 'starting':
      return {
        type: 'starting',
        ...revisionOf(message),
        pod: text(message, 'pod'),
        address: text(message, 'address'),
        port: amount(message, 'port'),
      };
    case 'stopped':
      return { type: 'stopped', ...revisionOf(message), pod: text(message, 'pod') };
    case 'drain':
      return { type: 'drain', ...podOf(message) };
    default:
      throw unknownType(message);
  }
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new MeasurementError(`Cannot read a measurement: found ${typeof value}, wanted an object`);
}

function list(message: Fields, name: string): Fields[] {
  const value = message[name];
  if (Array.isArray(value)) return value.map(fieldsOf);
  throw wrongField(name, value, 'a list');
}

function text(message: Fields, name: string): string {
  const value = message[name];
  if (typeof value === 'string' && value !== '') return value;
  throw wrongField(name, value, 'a name');
}

function amount(message: Fields, name: string): number {
  const value = message[name];
  if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) return value;
  throw wrongField(name, value, 'a number of 0 or more');
}

function revisionOf(message: Fields): { namespace: string; revision: string } {
  return { namespace: text(message, 'namespace'), revision: text(message, 'revision') };
}

function podOf(message: Fields): { namespace: string; pod: string } {
  return { namespace: text(message, 'namespace'), pod: text(message, 'pod') };
}

function wrongField(name: string, value: unknown, wanted: string): MeasurementError {
  return new MeasurementError(
    `Cannot read a measurement: field ${name} is ${JSON.stringify(value)}, wanted ${wanted}`,
  );
}

function unknownType(message: Fields): MeasurementError {
  return new MeasurementError(
    `Cannot read a measurement: the type ${JSON.stringify(message['type'])} is unknown`,
  );
}
