import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import net from 'node:net';

/** A port that somebody else listens on, with who and which flag to use instead. */
export class PortTaken extends Error {
  override readonly name = 'PortTaken';
}

/**
 * The port to use on loopback: `wanted`, or a free one for 0. Where it is taken: the `fallback` if there is one, else
 * PortTaken, naming the flag and the owner.
 */
export async function choosePort(wanted: number, flag: string, fallback?: number): Promise<number> {
  const port = wanted === 0 ? await anyFreePort() : await tryListen(wanted);
  if (port !== undefined) return port;
  if (fallback !== undefined) return await choosePort(fallback, flag);
  const owner = portOwner(wanted);
  throw new PortTaken(
    `Cannot listen on port ${wanted}: ${owner ?? 'another program'} has it; stop it, or choose another port with ${flag} PORT`,
  );
}

/** Below the range that outgoing connections take theirs from, so that none takes it before it is listened on. */
const FREE_PORTS = { first: 10_000, last: 32_000 };

async function anyFreePort(): Promise<number | undefined> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = await tryListen(randomInt(FREE_PORTS.first, FREE_PORTS.last));
    if (port !== undefined) return port;
  }
  return undefined;
}

async function tryListen(wanted: number): Promise<number | undefined> {
  const server = net.createServer();
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  server.once('error', () => resolve(undefined));
  server.listen({ port: wanted, host: '127.0.0.1', exclusive: true }, () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : undefined;
    server.close(() => resolve(port));
  });
  return await promise;
}

/** `nginx (process 123)` for whoever listens on a TCP port, where the machine lets us see it. */
function portOwner(port: number): string | undefined {
  const inodes = new Set([
    ...listeningInodes('/proc/net/tcp', port),
    ...listeningInodes('/proc/net/tcp6', port),
  ]);
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (!socketsOf(pid).some((inode) => inodes.has(inode))) continue;
    return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (process ${pid})`;
  }
  return undefined;
}

const LISTEN_STATE = '0A';

function listeningInodes(table: string, port: number): string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = readOrEmpty(table).split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hexPort}`) && fields[3] === LISTEN_STATE)
    .map((fields) => fields[9] ?? '');
}

function socketsOf(pid: string): string[] {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder)
      .map((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${fd}`))?.[1])
      .filter((inode) => inode !== undefined);
  } catch {
    return []; // It ended meanwhile, or is not ours to look into.
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
