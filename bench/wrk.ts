import assert from 'node:assert/strict';
import path from 'node:path';
import { run } from '#test/support/platform.ts';

export interface ClosedLoop {
  /** Of bench/wrk/. */
  readonly script: string;
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Answers per second to connections that each ask again as soon as they are answered. Rejects where one answer failed. */
export async function closedLoop(load: ClosedLoop): Promise<number> {
  const script = path.join(import.meta.dirname, 'wrk', load.script);
  const { code, stdout, stderr } = await run(
    ['wrk', '-t1', `-c${load.connections}`, `-d${load.seconds}s`, '-s', script, load.url],
    { env: { ...process.env, ...load.env } },
  );
  const [, requests, failed, microseconds] = /^RESULT (\d+) (\d+) (\d+)$/m.exec(stdout) ?? [];
  assert.ok(code === 0 && requests !== undefined, `wrk ended with ${code}: ${stdout}${stderr}`);
  assert.equal(failed, '0', `${failed} of ${requests} requests failed: ${stdout}`);
  return Number(requests) / (Number(microseconds) / 1e6);
}
