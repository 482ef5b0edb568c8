import type { GoTemplate } from '#base/go-template.ts';
import { triedTemplate } from '#api/serving-config/config-template.ts';

/** What a line of the request log may say of one request, under the names that upstream's templates use. */
export interface LoggedRequest {
  readonly Request: {
    readonly Method: string;
    /** Path and query as they were sent. */
    readonly RequestURI: string;
    readonly Host: string;
    /** Of its body; −1: not said before it ended. */
    readonly ContentLength: number;
    readonly UserAgent: string;
    readonly Referer: string;
    /** Address and port of the client. */
    readonly RemoteAddr: string;
    readonly Proto: string;
    readonly TLS: boolean;
    /** By name, in Go's spelling: `X-Forwarded-For`. */
    readonly Header: ReadonlyMap<string, string>;
  };
  readonly Response: {
    /** 0: the client left before one began. */
    readonly Code: number;
    /** Bytes of the body that the client was sent. */
    readonly Size: number;
    /** Bytes of the body that the client sent. */
    readonly PayloadSize: number;
    /** Seconds. */
    readonly Latency: number;
  };
  readonly Revision: {
    readonly Name: string;
    readonly Namespace: string;
    readonly Service: string;
    readonly Configuration: string;
    /** Empty where no pod had it. */
    readonly PodName: string;
    readonly PodIP: string;
  };
  /** Empty where the request is part of no trace. */
  readonly TraceID: string;
}

const TRIAL: LoggedRequest = {
  Request: {
    Method: 'GET',
    RequestURI: '/',
    Host: 'hello.default.example.com',
    ContentLength: 0,
    UserAgent: 'curl',
    Referer: '',
    RemoteAddr: '10.0.0.1:1000',
    Proto: 'HTTP/1.1',
    TLS: false,
    Header: new Map([['Accept', '*/*']]),
  },
  Response: { Code: 200, Size: 5, PayloadSize: 0, Latency: 0.01 },
  Revision: {
    Name: 'hello-00001',
    Namespace: 'default',
    Service: 'hello',
    Configuration: 'hello',
    PodName: 'hello-00001-deployment',
    PodIP: '10.0.0.2',
  },
  TraceID: '0af7651916cd43dd8448eb211c80319c',
};

/** Undefined where nothing shall be said. Throws ConfigError where no line could be made by it. */
export function parseRequestLogTemplate(text: string): GoTemplate | undefined {
  return text === ''
    ? undefined
    : triedTemplate(text, { called: 'requestLog', sample: { ...TRIAL } });
}
