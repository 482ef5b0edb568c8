import { once } from 'node:events';
import path from 'node:path';
import type { RemoteProgram, StandardStreams } from '#base/standard-streams.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { endOfLog, readLog, type LogLine } from '#agent/logs/container-log.ts';
import type { ContainerRecord } from '#agent/pods/pod-record.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import type { Runtime } from '#agent/runtime/runtime.ts';

export interface Attached {
  readonly spec: Container;
  readonly record: ContainerRecord;
  readonly sandbox: PodSandbox;
  readonly runtime: Runtime;
}

/**
 * A container's own program: its output as its log has it, byte for byte, and its input where the spec gives it one.
 * Where only one client is to come (`stdinOnce`), it also sees what was written before it came.
 */
export function attachTo({ spec, record, sandbox, runtime }: Attached): RemoteProgram {
  return async ({ stdin, stdout, stderr, terminal }, signal) => {
    const file = path.join(sandbox.bundleOf(spec.name, record.attempt), 'log');
    const ended = sandbox.endOf(record.id);
    const follow = AbortSignal.any([ended, signal]);
    // Before any input: what the program answers belongs to the conversation.
    const from = spec.stdinOnce ? undefined : await endOfLog(file);
    const lines = readLog(file, { follow, ...(from && { from }) });
    const input = { terminal, ...(spec.stdin && stdin && { stdin }) };
    const fed = runtime.feed(record.id, input, follow);
    await Promise.all([fed, handOn(lines, { stdout, stderr }, signal)]);
    return 0;
  };
}

async function handOn(
  log: AsyncIterable<readonly LogLine[]>,
  outputs: {
    readonly stdout: StandardStreams['stdout'] | undefined;
    readonly stderr: StandardStreams['stderr'] | undefined;
  },
  signal: AbortSignal,
): Promise<void> {
  for await (const lines of log) {
    for (const name of ['stdout', 'stderr'] as const) {
      if (signal.aborted) return;
      const texts = lines.flatMap(({ stream, text }) => (stream === name ? text : []));
      const output = outputs[name];
      if (texts.length === 0 || !output || output.destroyed) continue;
      if (output.write(Buffer.from(texts.join(''), 'latin1'))) continue;
      // Ends with the client, too.
      await once(output, 'drain', { signal }).catch(() => undefined);
    }
  }
}
