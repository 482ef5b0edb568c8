import type { GoTemplate } from '#base/go-template.ts';
import { GoTemplateError } from '#base/go-template.ts';
import type { LoggedRequest } from '#api/serving-config/request-log.ts';
import type { FieldSection } from '../http1/field-section.ts';
import { CHUNKED } from '../http1/framing.ts';
import { parseTraceParent } from '#telemetry/trace-context.ts';
import type { Exchange } from '../connection/exchange.ts';
import type { ObservedRequest } from './request-observer.ts';

/** What is logged now. */
export interface RequestLogSettings {
  /** Undefined: nothing. */
  readonly template: GoTemplate | undefined;
  readonly logsProbes: boolean;
}

/** Whose request it was. */
export type LoggedRevision = Omit<LoggedRequest['Revision'], 'PodName' | 'PodIP'>;

export interface RequestLogOptions {
  readonly settings: () => RequestLogSettings;
  /** Takes whole lines; must not fail, and must not take long. */
  readonly write: (lines: string) => void;
  readonly monotonicMs: () => number;
}

/** More than this at once is written at once. */
const HELD_LENGTH_MAX = 64 * 1024;

/** One line for each request, made by the template of config-observability; those of one turn of the loop are written together. */
export class RequestLog {
  readonly #options: RequestLogOptions;
  #held = '';

  constructor(options: RequestLogOptions) {
    this.#options = options;
  }

  /** Whether a request, or a probe, is logged: to be asked before anything is made for it. */
  wants(isProbe: boolean): boolean {
    const { template, logsProbes } = this.#options.settings();
    return template !== undefined && (!isProbe || logsProbes);
  }

  log(request: ObservedRequest, revision: LoggedRevision, traceId: string | undefined): void {
    const { template } = this.#options.settings();
    if (!template) return;
    const latency = (this.#options.monotonicMs() - request.arrivedMs) / 1_000;
    this.#hold(lineOf(template, loggedRequest(request, { revision, traceId, latency })));
  }

  #hold(line: string): void {
    if (this.#held === '') setImmediate(() => this.#flush());
    this.#held += line.endsWith('\n') ? line : `${line}\n`;
    if (this.#held.length > HELD_LENGTH_MAX) this.#flush();
  }

  #flush(): void {
    const held = this.#held;
    this.#held = '';
    if (held !== '') this.#options.write(held);
  }
}

/** What the kubelet and the platform ask, rather than a client (serving specification §5.3). */
export function isProbeRequest({ head }: Exchange): boolean {
  return (
    head.fields.get('user-agent')?.startsWith('kube-probe/') === true ||
    head.fields.get('k-kubelet-probe') !== undefined ||
    head.fields.get('k-network-probe') !== undefined
  );
}

/** A template that was tried may still ask for what a request does not have: a line says so, in upstream's words. */
function lineOf(template: GoTemplate, logged: LoggedRequest): string {
  try {
    return template.execute({ ...logged });
  } catch (error) {
    if (!(error instanceof GoTemplateError)) throw error;
    const { Request, Response } = logged;
    return `Invalid request log template: method: ${Request.Method}, response code: ${Response.Code}, latency: ${Response.Latency}, url: ${Request.RequestURI}`;
  }
}

function loggedRequest(
  { exchange, servedBy }: ObservedRequest,
  about: { revision: LoggedRevision; traceId: string | undefined; latency: number },
): LoggedRequest {
  const { head, connection, status, requestBytes, responseBytes } = exchange;
  const { fields } = head;
  const { peerAddress, peerPort } = connection;
  const address = peerAddress.includes(':') ? `[${peerAddress}]` : peerAddress;
  const traceId = about.traceId ?? parseTraceParent(fields.get('traceparent'))?.traceId ?? '';
  return {
    Request: {
      Method: head.method,
      RequestURI: head.target,
      Host: head.authority,
      ContentLength: head.bodyLength === CHUNKED ? -1 : head.bodyLength,
      UserAgent: fields.get('user-agent') ?? '',
      Referer: fields.get('referer') ?? '',
      RemoteAddr: `${address}:${peerPort}`,
      Proto: `HTTP/1.${head.minorVersion}`,
      TLS: connection.scheme === 'https',
      Header: headerOf(fields),
    },
    Response: {
      Code: status,
      Size: responseBytes,
      PayloadSize: requestBytes,
      Latency: about.latency,
    },
    Revision: {
      ...about.revision,
      PodName: servedBy?.name ?? '',
      PodIP: servedBy?.address ?? '',
    },
    TraceID: traceId,
  };
}

/** Of several fields of a name the first, as `Get` of Go's headers. */
function headerOf({ names, values }: FieldSection): ReadonlyMap<string, string> {
  const header = new Map<string, string>();
  for (const [at, name] of names.entries()) {
    if (names.indexOf(name) === at) header.set(spelled(name), values[at] ?? '');
  }
  return header;
}

/** As Go spells names of header fields: `x-forwarded-for` is `X-Forwarded-For`. */
function spelled(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}
