import { kubernetesVersion } from '#api/definitions.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import type { Route } from '#apiserver/route.ts';

/**
 * /version: that of the Kubernetes whose schemas are served, with ours as build metadata: `v1.34.4+knode.0.1.0`. Clients
 * decide by major and minor what they may ask for.
 */
export function versionRoute(options: {
  /** Of knode: `0.1.0`. */
  readonly version: string;
  /** As Node names the processor: `x64`, `arm64`. */
  readonly architecture: string;
}): Route {
  const kubernetes = kubernetesVersion();
  const [major = '', minor = ''] = kubernetes.slice(1).split('.');
  const architecture = options.architecture === 'x64' ? 'amd64' : options.architecture;
  const body = {
    major,
    minor,
    gitVersion: `${kubernetes}+knode.${options.version}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: 'node',
    platform: `linux/${architecture}`,
  };
  return {
    matches: (method, path) => method === 'GET' && (path === '/version' || path === '/version/'),
    handle: () => Promise.resolve(jsonReply(body)),
  };
}
