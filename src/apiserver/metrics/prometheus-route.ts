import type { Route } from '#apiserver/route.ts';
import { PROMETHEUS_CONTENT_TYPE } from '#telemetry/prometheus-text.ts';

/** `/metrics`: what this process measures, for whoever may get that path. */
export function prometheusRoute(text: () => string): Route {
  return {
    matches: (method, path) => method === 'GET' && path === '/metrics',
    handle: async () => ({
      status: 200,
      headers: { 'content-type': PROMETHEUS_CONTENT_TYPE },
      body: text(),
    }),
  };
}
