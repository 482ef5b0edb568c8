import type { Random } from '#base/random.ts';
import type { Attributes } from '#telemetry/metrics.ts';
import type { Span } from '#telemetry/span.ts';
import { isSampledAt, parseTraceParent, traceParentText } from '#telemetry/trace-context.ts';
import type { Exchange } from '../connection/exchange.ts';
import type { ObservedRequest, RequestTrace } from './request-observer.ts';
import { routeTagOf } from './route-tag.ts';

export interface TracerOptions {
  readonly random: Random;
  /** Whether spans are told to anybody, and of how many requests, from 0 to 1. */
  readonly isTelling: () => boolean;
  readonly samplingRate: () => number;
  readonly add: (span: Span) => void;
  readonly wallClockMs: () => number;
  readonly monotonicMs: () => number;
}

/** Makes each request part of a trace, its caller's or a new one, and spans of those that are sampled. */
export class Tracer {
  readonly #options: TracerOptions;

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** Undefined where nobody is told: what the caller says of its trace then passes as it came. */
  begin({ head }: Exchange, hadPod: boolean): RequestTrace | undefined {
    const { random, isTelling, samplingRate } = this.#options;
    if (!isTelling()) return undefined;
    const parent = parseTraceParent(head.fields.get('traceparent'));
    const traceId = parent?.traceId ?? random.hex(32);
    const proxyId = random.hex(16);
    const isSampled = decide(samplingRate(), traceId, parent?.isSampled);
    return {
      traceId,
      serverId: random.hex(16),
      proxyId,
      parentId: parent?.spanId,
      isSampled,
      hadPod,
      traceParent: traceParentText({ traceId, spanId: proxyId, isSampled }),
    };
  }

  end(trace: RequestTrace, request: ObservedRequest, revision: Attributes): void {
    if (!trace.isSampled) return;
    const { add, random, wallClockMs, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
    const offsetMs = wallClockMs() - nowMs;
    const made = { trace, request, revision, nowMs, waitId: random.hex(16) };
    for (const span of spansOf(made)) {
      add({ ...span, startMs: span.startMs + offsetMs, endMs: span.endMs + offsetMs });
    }
  }
}

/** Upstream's samplers: at 1 all, at 0 none whatever the caller says, between them as the caller decided if it did. */
function decide(rate: number, traceId: string, parent: boolean | undefined): boolean {
  if (rate >= 1) return true;
  if (rate <= 0) return false;
  return parent ?? isSampledAt(rate, traceId);
}

interface Made {
  readonly trace: RequestTrace;
  readonly request: ObservedRequest;
  readonly revision: Attributes;
  readonly nowMs: number;
  readonly waitId: string;
}

/**
 * Upstream's spans, of one hop instead of three: the server's; `throttler_try` while there was no pod;
 * `kn.queueproxy.proxy` in the pod, from where `kn.queueproxy.wait` begins if all pods were full.
 */
function spansOf(made: Made): readonly Span[] {
  const { trace, request, revision, nowMs, waitId: spanId } = made;
  const { arrivedMs, admittedMs = nowMs, servedBy, hasWaited } = request;
  const server = serverSpan(made);
  const isCold = hasWaited && !trace.hadPod;
  const wait = { spanId, startMs: arrivedMs, endMs: admittedMs };
  const route = { ...server.attributes, 'kn.route.tag': routeTagOf(request) };
  const spans: Span[] = [{ ...server, attributes: route }];
  if (isCold) {
    const name = 'throttler_try';
    spans.push(waitSpan(server, { ...wait, name, parentId: trace.serverId }, revision));
  }
  if (!servedBy) return spans;
  spans.push({
    ...server,
    spanId: trace.proxyId,
    parentId: trace.serverId,
    name: 'kn.queueproxy.proxy',
    kind: 'client',
    startMs: isCold ? admittedMs : arrivedMs,
    attributes: {
      ...server.attributes,
      'k8s.pod.name': servedBy.name,
      'server.address': servedBy.address,
      'server.port': servedBy.port,
    },
  });
  if (hasWaited && !isCold) {
    const name = 'kn.queueproxy.wait';
    spans.push(waitSpan(server, { ...wait, name, parentId: trace.proxyId }, revision));
  }
  return spans;
}

function serverSpan({ trace, request, revision, nowMs }: Made): Span {
  const { exchange, arrivedMs } = request;
  const { head, connection, status, responseBytes } = exchange;
  const query = head.target.indexOf('?');
  const path = query === -1 ? head.target : head.target.slice(0, query);
  return {
    traceId: trace.traceId,
    spanId: trace.serverId,
    parentId: trace.parentId,
    traceState: head.fields.get('tracestate') ?? '',
    name: `${head.method} ${path}`,
    kind: 'server',
    startMs: arrivedMs,
    endMs: nowMs,
    attributes: {
      ...revision,
      'http.request.method': head.method,
      'url.path': path,
      'url.scheme': connection.scheme,
      'server.address': head.authority,
      'client.address': connection.peerAddress,
      'user_agent.original': head.fields.get('user-agent') ?? '',
      'network.protocol.version': `1.${head.minorVersion}`,
      'http.response.body.size': responseBytes,
      ...(status > 0 && { 'http.response.status_code': status }),
    },
    isError: status === 0 || status >= 500,
  };
}

function waitSpan(
  server: Span,
  wait: Pick<Span, 'name' | 'spanId' | 'parentId' | 'startMs' | 'endMs'>,
  revision: Attributes,
): Span {
  return { ...server, ...wait, kind: 'internal', attributes: revision, isError: false };
}
