import type { HttpReply } from '#base/http-message.ts';
import type { Route } from '#apiserver/route.ts';

/** Names what is not ready yet; nothing when all is. Called at each request, so it must be cheap. */
export type Readiness = () => readonly string[];

/**
 * /livez answers while the process does; /readyz and the older /healthz fail while `readiness` names something. Below each
 * of them, `ping` says that somebody answers, whatever else is the matter.
 */
export function healthRoutes(readiness: Readiness): readonly Route[] {
  const none: Readiness = () => [];
  return Object.entries({ livez: none, healthz: readiness, readyz: readiness }).flatMap(
    ([name, failing]) => [check(name, failing), check(`${name}/ping`, none)],
  );
}

function check(name: string, failing: Readiness): Route {
  return {
    matches: (method, path) => (method === 'GET' || method === 'HEAD') && path === `/${name}`,
    handle(request) {
      const failures = failing();
      const isVerbose = new URLSearchParams(request.target.split('?')[1]).has('verbose');
      if (failures.length === 0 && !isVerbose) return Promise.resolve(text(200, 'ok'));
      const lines = ['[+]ping ok', ...failures.map((failure) => `[-]${failure} failed`)];
      const isWell = failures.length === 0;
      const last = `${name} check ${isWell ? 'passed' : 'failed'}`;
      return Promise.resolve(text(isWell ? 200 : 500, [...lines, last, ''].join('\n')));
    },
  };
}

function text(status: number, body: string): HttpReply {
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
  };
  return { status, headers, body };
}
