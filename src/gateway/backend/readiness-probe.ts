import type { RevisionProbe } from '#api/serving-v1/revision-template.ts';
import type { Revision } from '#api/serving-v1/revision.ts';

/** What the gateway may itself ask a pod in order to know that it is ready. */
export type ReadinessProbe =
  | { readonly type: 'tcp'; readonly port: number | undefined }
  | {
      readonly type: 'http';
      readonly port: number | undefined;
      readonly path: string;
      readonly headers: readonly { readonly name: string; readonly value: string }[];
    }
  /** Only the agent can ask: what it finds comes by EndpointSlices. */
  | { readonly type: 'agent' };

/** The revision's own readiness probe, as far as one attempt from outside says the same as the agent's. */
export function readinessProbeOf(revision: Revision): ReadinessProbe {
  const containers = revision.spec.containers ?? [];
  const serving = containers.find((container) => container.ports?.length) ?? containers[0];
  const probe = serving?.readinessProbe;
  if (!probe) return { type: 'tcp', port: undefined };
  if ((probe.initialDelaySeconds ?? 0) > 0 || (probe.successThreshold ?? 1) > 1) {
    return { type: 'agent' };
  }
  const sidecarProbe = containers.some((other) => other !== serving && other.readinessProbe);
  return sidecarProbe ? { type: 'agent' } : probeOf(probe);
}

function probeOf(probe: RevisionProbe): ReadinessProbe {
  if (probe.exec || probe.grpc) return { type: 'agent' };
  const { httpGet } = probe;
  if (!httpGet) return portOf(probe.tcpSocket?.port, (port) => ({ type: 'tcp', port }));
  if (httpGet.scheme?.toUpperCase() === 'HTTPS') return { type: 'agent' };
  const { path = '/', httpHeaders: headers = [] } = httpGet;
  return portOf(httpGet.port, (port) => ({ type: 'http', port, path, headers }));
}

/** Port 0 stands for the one that requests go to; one by name would have to be looked up in the pod. */
function portOf(
  port: number | string | undefined,
  make: (port: number | undefined) => ReadinessProbe,
): ReadinessProbe {
  if (typeof port === 'string') return { type: 'agent' };
  return make(port || undefined);
}
