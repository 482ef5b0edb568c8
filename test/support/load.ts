import http from 'node:http';
import { call } from '#test/support/platform.ts';

interface LoadResult {
  /** How often each body came with status 200. */
  readonly bodies: ReadonlyMap<string, number>;
  /** Whatever else came of a request, in words. */
  readonly failures: readonly string[];
}

/** Requests that go on until `stop` or the end of the test, each loop one after another. */
export interface Load extends Disposable {
  /** Resolves when the last one has been answered. */
  stop(): Promise<LoadResult>;
}

const LOOPS = 8;

/** Half of them on connections that are kept, half on fresh ones. */
export function startLoad(url: string): Load {
  const bodies = new Map<string, number>();
  const failures: string[] = [];
  const agent = new http.Agent({ keepAlive: true });
  let isStopped = false;
  const loop = async (own: http.Agent | false): Promise<void> => {
    while (!isStopped) {
      try {
        const { status, body } = await call(url, '/', own);
        if (status === 200) bodies.set(body, (bodies.get(body) ?? 0) + 1);
        else failures.push(`${status} ${body}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  const loops = Array.from({ length: LOOPS }, (_, at) => loop(at % 2 === 0 && agent));
  return {
    async stop() {
      isStopped = true;
      await Promise.all(loops);
      agent.destroy();
      return { bodies, failures };
    },
    [Symbol.dispose]() {
      isStopped = true;
      agent.destroy();
    },
  };
}
