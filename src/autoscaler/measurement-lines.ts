import type { Socket } from 'node:net';
import type { FromAutoscaler, FromGateway } from '#autoscaler/measurements.ts';

/** Longest line either side accepts. A report of 10,000 busy revisions with the longest names stays below it. */
export const LINE_BYTES_MAX = 4 * 1024 * 1024;

/** Unread bytes after which a peer counts as stuck and its connection is closed. */
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024;

/** A line that this protocol does not know. */
export class LineError extends Error {
  override readonly name = 'LineError';
}

/** Calls `onLine` with each whole line; destroys the socket with a LineError where a line is too long or refused. */
export function readLines(socket: Socket, onLine: (line: string) => void): void {
  let pieces: Buffer[] = [];
  let size = 0;
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk;
    try {
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        pieces.push(rest.subarray(0, end));
        rest = rest.subarray(end + 1);
        const line = Buffer.concat(pieces).toString('utf8');
        pieces = [];
        size = 0;
        onLine(line);
      }
      pieces.push(rest);
      size += rest.length;
      if (size > LINE_BYTES_MAX) {
        throw new LineError(
          `Cannot read a measurement line: ${size} bytes, at most ${LINE_BYTES_MAX} wanted`,
        );
      }
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new LineError(String(error)));
    }
  });
}

/** False where the peer does not take what it is sent; its connection is then closed. */
export function writeLine(socket: Socket, message: FromGateway | FromAutoscaler): boolean {
  if (!socket.writable) return false;
  if (socket.writableLength > BACKLOG_BYTES_MAX) {
    socket.destroy();
    return false;
  }
  socket.write(`${JSON.stringify(message)}\n`);
  return true;
}

export function parseFromGateway(line: string): FromGateway {
  const message = parseObject(line);
  switch (message['type']) {
    case 'report':
      return {
        type: 'report',
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
    case 'drained':
      return { type: 'drained', ...podOf(message) };
    default:
      throw unknownType(message);
  }
}

export function parseFromAutoscaler(line: string): FromAutoscaler {
  const message = parseObject(line);
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

function parseObject(line: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new LineError('Cannot read a measurement line: it is not JSON', { cause: error });
  }
  return fieldsOf(value);
}

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new LineError(`Cannot read a measurement: found ${typeof value}, wanted an object`);
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

function wrongField(name: string, value: unknown, wanted: string): LineError {
  return new LineError(
    `Cannot read a measurement: field ${name} is ${JSON.stringify(value)}, wanted ${wanted}`,
  );
}

function unknownType(message: Fields): LineError {
  return new LineError(
    `Cannot read a measurement: the type ${JSON.stringify(message['type'])} is unknown`,
  );
}
