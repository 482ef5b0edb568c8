import { hostname } from 'node:os';
import { parseServiceHost } from '#api/core-v1/service-host.ts';
import { Service } from '#api/core-v1/service.ts';
import {
  type ObservabilityConfig,
  parseListenAddress,
} from '#api/serving-config/config-observability.ts';
import type { Informers } from '#client/informers.ts';
import type { LiveSettings } from '#client/live-settings.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { MetricsTeller, type MetricsTarget } from '#telemetry/metrics-teller.ts';
import type { OtlpTarget } from '#telemetry/otlp-sender.ts';
import { meterProcess } from '#telemetry/process-meter.ts';
import type { Resource } from '#telemetry/resource.ts';
import { CLUSTER_DOMAIN } from './cluster-objects.ts';
import { packageVersion } from './package-version.ts';
import type { PartContext } from './run-part.ts';

/** Which keys of config-observability say how a part is heard, and where it answers scrapes unless they say. */
const KEYS = {
  metrics: { port: 9090 },
  'request-metrics': { port: 9091 },
  /** `metrics-…` too, but on a port of its own: it may be on one machine with the controllers. */
  'webhook-metrics': { port: 9092 },
} as const;

/** What a part says of itself, and to whom it may. */
export interface Telling extends Pick<
  PartContext,
  'clock' | 'log' | 'signal' | 'foreign' | 'settings'
> {
  readonly part: string;
  readonly metrics: Metrics;
  readonly live: LiveSettings;
  readonly addressOf: OtlpTarget['addressOf'];
}

/** What a part measures, and the process itself. */
export function openMetrics(): Metrics {
  const metrics = new Metrics();
  meterProcess(metrics);
  return metrics;
}

export function resourceOf(part: string): Resource {
  return { name: part, version: packageVersion(), instance: hostname() };
}

/** Tells what is measured as config-observability says, now and whenever it says something else. */
export function tellMetrics(
  options: Telling & { readonly keys: keyof typeof KEYS },
): AsyncDisposable {
  const { part, keys, metrics, live, addressOf, clock, log, signal, foreign } = options;
  const teller = new MetricsTeller({ metrics, resource: resourceOf(part), addressOf, clock, log });
  // Whoever scrapes a foreign cluster's parts is not on this machine.
  const host = foreign?.address ?? '127.0.0.1';
  const tell = (): void => {
    void teller.tell(targetOf(live.current().observability, { keys, host }));
  };
  live.onChange(tell, signal);
  tell();
  return teller;
}

/** OpenTelemetry's own, where the configuration says none. */
const INTERVAL_MS = 60_000;
/** More often would be a load of its own. */
const INTERVAL_MS_MIN = 1_000;

function targetOf(
  config: ObservabilityConfig,
  { keys, host }: { readonly keys: keyof typeof KEYS; readonly host: string },
): MetricsTarget {
  const isOfRequests = keys === 'request-metrics';
  const protocol = isOfRequests ? config.requestMetricsProtocol : config.metricsProtocol;
  const endpoint = isOfRequests ? config.requestMetricsEndpoint : config.metricsEndpoint;
  const everyMs = isOfRequests
    ? config.requestMetricsExportIntervalMs
    : config.metricsExportIntervalMs;
  switch (protocol) {
    case 'none':
      return { protocol };
    case 'prometheus': {
      const said = parseListenAddress(endpoint);
      return { protocol, host: said?.host || host, port: said?.port ?? KEYS[keys].port };
    }
    case 'grpc':
    case 'http/protobuf':
      return { protocol, endpoint, intervalMs: Math.max(INTERVAL_MS_MIN, everyMs || INTERVAL_MS) };
  }
}

/** A Service of the cluster by its ClusterIP: this machine does not resolve the cluster's names. */
export function clusterAddresses(informers: Informers): OtlpTarget['addressOf'] {
  return (host) => {
    const ref = parseServiceHost(host, CLUSTER_DOMAIN);
    if (!ref) return undefined;
    const { namespace, service: name } = ref;
    const address = informers.running(Service)?.get({ namespace, name })?.spec?.clusterIP;
    return address === 'None' ? undefined : address;
  };
}
