import assert from 'node:assert/strict';
import { once } from 'node:events';

/** Where Node listens that was sent SIGUSR1, whoever it is: one process at a time. */
const INSPECTOR = 'http://127.0.0.1:9229/json/list';

/**
 * Bytes that are in use in the heap of another Node process, buffers included, after what is garbage has been collected. The
 * process is asked by way of its inspector, which is closed again.
 */
export async function settledHeapOf(pid: number): Promise<number> {
  process.kill(pid, 'SIGUSR1');
  const socket = new WebSocket(await inspectorUrl());
  await once(socket, 'open');
  let id = 0;
  const ask = async (method: string, params: object = {}): Promise<unknown> => {
    id += 1;
    socket.send(JSON.stringify({ id, method, params }));
    for (;;) {
      const [event] = (await once(socket, 'message')) as [{ readonly data: string }];
      const reply = JSON.parse(event.data) as { id?: number; result?: unknown };
      if (reply.id === id) return reply.result;
    }
  };
  const evaluate = async (expression: string): Promise<unknown> => {
    const { result } = (await ask('Runtime.evaluate', { expression })) as {
      result: { value: unknown };
    };
    return result.value;
  };
  try {
    assert.equal(await evaluate('process.pid'), pid, 'another process is being inspected');
    // Twice: what finalizers let go of is garbage after the first.
    await ask('HeapProfiler.collectGarbage');
    await ask('HeapProfiler.collectGarbage');
    const used = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
    return Number(await evaluate(used));
  } finally {
    const close = "setImmediate(() => process.getBuiltinModule('node:inspector').close())";
    await evaluate(close);
    await once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
  }
}

async function inspectorUrl(): Promise<string> {
  const deadline = AbortSignal.timeout(10_000);
  for (;;) {
    const listed = await fetch(INSPECTOR).catch(() => undefined);
    const [target] = ((await listed?.json()) ?? []) as { webSocketDebuggerUrl: string }[];
    if (target) return target.webSocketDebuggerUrl;
    assert.ok(!deadline.aborted, 'no inspector listens');
  }
}
