import { formatGoDuration } from '#api/meta/go-duration.ts';
import {
  choice,
  ConfigError,
  duration,
  flag,
  number,
  readKeys,
  text,
  type ConfigData,
  type ValuesOf,
} from '#api/serving-config/config-key.ts';
import { parseRequestLogTemplate } from '#api/serving-config/request-log.ts';

const METRICS = ['none', 'prometheus', 'http/protobuf', 'grpc'] as const;
const TRACES = ['none', 'http/protobuf', 'grpc', 'stdout'] as const;

function unsupportedProtocol(value: string): string {
  return `unsupported protocol ${JSON.stringify(value)}`;
}

/** The JSON of one line for each request. */
const REQUEST_LOG_TEMPLATE =
  '{"httpRequest": {"requestMethod": "{{.Request.Method}}", "requestUrl": "{{js .Request.RequestURI}}", "requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, "responseSize": "{{.Response.Size}}", "userAgent": "{{js .Request.UserAgent}}", "remoteIp": "{{js .Request.RemoteAddr}}", "serverIp": "{{.Revision.PodIP}}", "referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", "protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}';

/** `config-observability` (serving specification §7). */
export const observabilityKeys = {
  collectsVarLog: flag('logging.enable-var-log-collection', {
    fallback: 'false',
    about: 'Whether files that containers write under /var/log are collected.',
  }),
  revisionUrlTemplate: text('logging.revision-url-template', {
    fallback: '',
    about: "Where a revision's logs are, with ${REVISION_UID} in it; shown in its status.",
  }),
  requestLogTemplate: text('logging.request-log-template', {
    fallback: REQUEST_LOG_TEMPLATE,
    about: 'What is logged of each request.',
  }),
  logsRequests: flag('logging.enable-request-log', {
    fallback: 'false',
    about: 'Whether requests are logged.',
  }),
  logsProbes: flag('logging.enable-probe-request-log', {
    fallback: 'false',
    about: 'Whether probes are logged too.',
  }),
  metricsProtocol: choice('metrics-protocol', {
    fallback: 'none',
    words: METRICS,
    match: 'exactly',
    refusal: unsupportedProtocol,
    about: 'How metrics of the platform are told.',
  }),
  metricsEndpoint: text('metrics-endpoint', { fallback: '', about: 'To whom.' }),
  metricsExportIntervalMs: duration('metrics-export-interval', {
    fallback: '0',
    about: 'How often.',
  }),
  requestMetricsProtocol: choice('request-metrics-protocol', {
    fallback: 'none',
    words: METRICS,
    match: 'exactly',
    refusal: unsupportedProtocol,
    about: 'How metrics of requests are told.',
  }),
  requestMetricsEndpoint: text('request-metrics-endpoint', { fallback: '', about: 'To whom.' }),
  requestMetricsExportIntervalMs: duration('request-metrics-export-interval', {
    fallback: '0',
    about: 'How often.',
  }),
  runtimeProfiling: choice('runtime-profiling', {
    fallback: 'disabled',
    words: ['disabled', 'enabled'],
    match: 'exactly',
    refusal: (value) => `unsupported profile setting ${JSON.stringify(value)}`,
    about: 'Whether profiles can be taken.',
  }),
  runtimeExportIntervalMs: duration('runtime-export-interval', {
    fallback: '15s',
    about: 'How often the state of the processes is told.',
  }),
  tracingProtocol: choice('tracing-protocol', {
    fallback: 'none',
    words: TRACES,
    match: 'exactly',
    refusal: unsupportedProtocol,
    about: 'How spans are told.',
  }),
  tracingEndpoint: text('tracing-endpoint', { fallback: '', about: 'To whom.' }),
  tracingSamplingRate: number('tracing-sampling-rate', {
    fallback: '0',
    about: 'Of how many requests, from 0 to 1.',
  }),
} as const;

export type ObservabilityConfig = ValuesOf<typeof observabilityKeys>;

/** Throws ConfigError. */
export function parseObservabilityConfig(data: ConfigData): ObservabilityConfig {
  const config = readKeys(observabilityKeys, data);
  refuseTracing(config);
  refuseMetrics({
    protocol: config.metricsProtocol,
    endpoint: config.metricsEndpoint,
    intervalMs: config.metricsExportIntervalMs,
  });
  refuseInterval(config.runtimeExportIntervalMs);
  refuseMetrics({
    protocol: config.requestMetricsProtocol,
    endpoint: config.requestMetricsEndpoint,
    intervalMs: config.requestMetricsExportIntervalMs,
  });
  if (config.logsRequests && config.requestLogTemplate === '') {
    throw new ConfigError(
      '"logging.enable-request-log" was set to true, but no "logging.request-log-template" was specified',
    );
  }
  parseRequestLogTemplate(config.requestLogTemplate);
  return config;
}

function refuseTracing(config: ObservabilityConfig): void {
  const {
    tracingProtocol: protocol,
    tracingEndpoint: endpoint,
    tracingSamplingRate: rate,
  } = config;
  if (isOtlp(protocol)) {
    if (endpoint === '') {
      throw new ConfigError(`endpoint should be set for protocol ${JSON.stringify(protocol)}`);
    }
    refuseCollector(protocol, endpoint);
  } else if (endpoint !== '') {
    throw new ConfigError("endpoint should not be set when protocol is 'none'");
  }
  const wrongRate = `sampling rate ${rate.toFixed(6)} should be`;
  if (rate < 0) throw new ConfigError(`${wrongRate} greater or equal to zero`);
  if (rate > 1) throw new ConfigError(`${wrongRate} less than or equal to one`);
}

function refuseMetrics({
  protocol,
  endpoint,
  intervalMs,
}: {
  readonly protocol: string;
  readonly endpoint: string;
  readonly intervalMs: number;
}): void {
  const named = JSON.stringify(protocol);
  if (isOtlp(protocol)) {
    if (endpoint === '') {
      throw new ConfigError(`endpoint should be set when protocol is ${named}`);
    }
    refuseCollector(protocol, endpoint);
  } else if (protocol === 'none' && endpoint !== '') {
    throw new ConfigError(`endpoint should not be set when protocol is ${named}`);
  } else if (protocol === 'prometheus' && endpoint !== '' && !parseListenAddress(endpoint)) {
    throw new ConfigError(
      `endpoint ${JSON.stringify(endpoint)} for prometheus exporter should be "host:port", "[host]:port" or ":port"`,
    );
  }
  refuseInterval(intervalMs);
}

function refuseInterval(intervalMs: number): void {
  if (intervalMs >= 0) return;
  const told = JSON.stringify(formatGoDuration(intervalMs));
  throw new ConfigError(`export interval ${told} should be greater than zero`);
}

function isOtlp(protocol: string): boolean {
  return protocol === 'grpc' || protocol === 'http/protobuf';
}

function refuseCollector(protocol: string, endpoint: string): void {
  if (isCollector(endpoint)) return;
  throw new ConfigError(
    `endpoint ${JSON.stringify(endpoint)} for protocol "${protocol}" should be a URL of http or https, or "host:port"`,
  );
}

function isCollector(endpoint: string): boolean {
  const url = endpoint.includes('://') ? endpoint : `https://${endpoint}`;
  return /^https?:\/\//i.test(url) && URL.canParse(url);
}

/** Where scrapes are answered; an empty host is whoever listens's own choice. Undefined: that is no address with a port. */
export function parseListenAddress(
  endpoint: string,
): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(endpoint);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? '', port };
}
