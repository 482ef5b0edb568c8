import { BoundedFile } from '#base/bounded-file.ts';
import { lineSink } from '#base/line-sink.ts';
import { systemRandom } from '#base/random.ts';
import type { ObservabilityConfig } from '#api/serving-config/config-observability.ts';
import { parseRequestLogTemplate } from '#api/serving-config/request-log.ts';
import type { LiveSettings } from '#client/live-settings.ts';
import { RequestLog, type RequestLogSettings } from '#gateway/observe/request-log.ts';
import { Tracer } from '#gateway/observe/tracer.ts';
import { pathsOf } from '#supervisor/settings.ts';
import { SpanTeller, type SpanTarget } from '#telemetry/span-teller.ts';
import { resourceOf, type Telling } from './telling.ts';

const STDOUT = 1;
const LOG_BYTES_MAX = 8 * 1024 * 1024;
const SCOPE = 'knode/gateway';

/** The request log and the traces of a gateway, as config-observability says from now on. `resources` owns them. */
export function watchRequests(
  telling: Telling,
  resources: AsyncDisposableStack,
): { readonly requestLog: RequestLog; readonly tracer: Tracer } {
  const { clock } = telling;
  const requestLog = new RequestLog({
    settings: requestLogSettings(telling.live),
    write: logSink(telling, resources),
    monotonicMs: () => clock.monotonicMs(),
  });
  return { requestLog, tracer: openTracer(telling, resources) };
}

function openTracer(telling: Telling, resources: AsyncDisposableStack): Tracer {
  const { part, metrics, live, addressOf, clock, log, signal } = telling;
  const teller = resources.use(
    new SpanTeller({
      metrics,
      addressOf,
      clock,
      log,
      resource: resourceOf(part),
      scope: SCOPE,
      write: lineSink(STDOUT),
    }),
  );
  const tell = (): void => teller.tell(spanTarget(live.current().observability));
  live.onChange(tell, signal);
  tell();
  return new Tracer({
    random: systemRandom,
    isTelling: () => teller.isTelling,
    samplingRate: () => live.current().observability.tracingSamplingRate,
    add: (span) => teller.add(span),
    wallClockMs: () => clock.now().getTime(),
    monotonicMs: () => clock.monotonicMs(),
  });
}

function spanTarget({ tracingProtocol, tracingEndpoint }: ObservabilityConfig): SpanTarget {
  switch (tracingProtocol) {
    case 'none':
    case 'stdout':
      return { protocol: tracingProtocol };
    case 'grpc':
    case 'http/protobuf':
      return { protocol: tracingProtocol, endpoint: tracingEndpoint };
  }
}

/** The template is parsed when it has changed, not for each request. */
function requestLogSettings(live: LiveSettings): () => RequestLogSettings {
  let read: ObservabilityConfig | undefined;
  let settings: RequestLogSettings = { template: undefined, logsProbes: false };
  return () => {
    const { observability } = live.current();
    if (observability !== read) {
      const { logsRequests, logsProbes, requestLogTemplate } = observability;
      const template = logsRequests ? parseRequestLogTemplate(requestLogTemplate) : undefined;
      settings = { template, logsProbes };
      read = observability;
    }
    return settings;
  };
}

const DROPPED = {
  name: 'knode.request_log.dropped',
  unit: 'By',
  description: 'What could not be written of the request log',
  scope: SCOPE,
};

/** A file of the home beside the platform's own logs; for another cluster, where the process writes. */
function logSink(
  { settings, foreign, metrics }: Telling,
  resources: AsyncDisposableStack,
): (lines: string) => void {
  if (foreign) return lineSink(STDOUT);
  const dropped = metrics.counter(DROPPED).of({});
  const file = resources.use(
    new BoundedFile(pathsOf(settings.home).log('requests'), {
      bytesMax: LOG_BYTES_MAX,
      onDropped: (bytes) => dropped.add(bytes),
    }),
  );
  return (lines) => file.write(lines);
}
