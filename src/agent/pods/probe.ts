import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { Container, Probe } from '#api/generated/core-v1.ts';
import type { Runtime } from '#agent/runtime/runtime.ts';

export interface ProbeTarget {
  readonly address: string;
  readonly container: Container;
  readonly id: string;
  readonly runtime: Pick<Runtime, 'exec'>;
}

/** What a probe that failed says; empty: it succeeded. */
export type ProbeResult = string;

/** Asks once, within the probe's timeout. Never throws. */
export async function probeOnce(probe: Probe, target: ProbeTarget): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  try {
    if (probe.httpGet) return await askHttp(probe.httpGet, target, timeoutMs);
    if (probe.tcpSocket) return await askTcp(probe.tcpSocket, target, timeoutMs);
    if (probe.exec) return await askCommand(probe.exec.command ?? [], target, timeoutMs);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function askHttp(
  { host, port, path = '/', scheme = 'HTTP', httpHeaders = [] }: NonNullable<Probe['httpGet']>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value]));
  const module = scheme === 'HTTPS' ? https : http;
  const request = module.get({
    host: host || target.address,
    port: portNumber(port, target.container),
    path,
    headers: { 'user-agent': 'kube-probe/1.34', accept: '*/*', ...headers },
    agent: false,
    // A probe asks whether the program lives, not who it is (core/v1 HTTPGetAction).
    ...(scheme === 'HTTPS' && { rejectUnauthorized: false }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  request.once('response', (response) => resolve(response.statusCode ?? 0));
  request.on('error', reject);
  try {
    const status = await promise;
    return status >= 200 && status < 400 ? '' : `HTTP probe failed with statuscode: ${status}`;
  } finally {
    // Whatever the body is, nobody reads it.
    request.destroy();
  }
}

async function askTcp(
  { host, port }: NonNullable<Probe['tcpSocket']>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = net.connect({
    host: host || target.address,
    port: portNumber(port, target.container),
    timeout: timeoutMs,
  });
  socket.once('connect', resolve);
  socket.once('timeout', () => reject(new Error(`no connection within ${timeoutMs} ms`)));
  socket.on('error', reject);
  try {
    await promise;
    return '';
  } finally {
    socket.destroy();
  }
}

async function askCommand(
  command: readonly string[],
  { id, runtime }: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  const { exitCode, output } = await runtime.exec(id, command, timeoutMs);
  if (exitCode === 0) return '';
  return exitCode === undefined
    ? `command timed out after ${timeoutMs} ms`
    : output.trim() || `exit code ${exitCode}`;
}

function portNumber(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  const found = container.ports?.find(({ name }) => name === port)?.containerPort;
  if (found === undefined)
    throw new Error(`container "${container.name}" has no port named "${port}"`);
  return found;
}
