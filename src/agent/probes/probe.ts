import net from 'node:net';
import type { Container, Probe } from '#api/generated/core-v1.ts';
import type { Gate } from '#base/gate.ts';
import { askGrpc } from '#agent/probes/grpc-probe.ts';
import { askHttp, messageOf, portNumber } from '#agent/probes/http-ask.ts';
import type { Runtime } from '#agent/runtime/runtime.ts';

export interface ProbeTarget {
  readonly address: string;
  readonly container: Container;
  readonly id: string;
  readonly runtime: Pick<Runtime, 'exec'>;
  /** Bounds how many commands run at once for probes: each takes a process of runc's own, too. */
  readonly execs: Gate;
}

/** What a probe that failed says; empty: it succeeded. */
export type ProbeResult = string;

/** Asks once, within the probe's timeout. Never throws, but for the reason of `signal`. */
export async function probeOnce(
  probe: Probe,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds || 1) * 1000;
  const { httpGet, tcpSocket, exec, grpc } = probe;
  const limit = (): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    if (httpGet) {
      const userAgent = 'kube-probe/1.34';
      const status = await askHttp(httpGet, target, { userAgent, signal: limit() });
      return status >= 200 && status < 400 ? '' : `HTTP probe failed with statuscode: ${status}`;
    }
    if (tcpSocket) return await askTcp(tcpSocket, target, timeoutMs);
    if (grpc) {
      const { port, service = '' } = grpc;
      return await askGrpc({ address: target.address, port, service, signal: limit() });
    }
    const command = exec?.command ?? [];
    // Its time begins with its turn.
    return await target.execs.run(() => askCommand(command, target, { timeoutMs, signal }), signal);
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  }
}

async function askTcp(
  { host, port }: NonNullable<Probe['tcpSocket']>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const address = host || target.address;
  const number = portNumber(port, target.container);
  const socket = net.connect({ host: address, port: number, timeout: timeoutMs });
  socket.once('connect', resolve);
  socket.once('timeout', () => reject(new Error(`dial tcp ${address}:${number}: i/o timeout`)));
  socket.on('error', (error) => reject(new Error(messageOf(error), { cause: error })));
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
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ProbeResult> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const { exitCode, output } = await runtime.exec(id, command, limit);
  if (exitCode === 0) return '';
  if (exitCode !== undefined) return output.trim() || `exit code ${exitCode}`;
  signal.throwIfAborted();
  return `command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`;
}
