import { performance } from 'node:perf_hooks';
import type { Instrument, Metrics } from '#telemetry/metrics.ts';

const SCOPE = 'knode/process';

function instrument(name: string, unit: string, description: string): Instrument {
  return { name, unit, description, scope: SCOPE };
}

/** Tells how this process itself is, whenever it is asked, under OpenTelemetry's names. */
export function meterProcess(metrics: Metrics): void {
  const memory = instrument('process.memory.usage', 'By', 'Memory that the process holds');
  const heap = instrument('v8js.memory.heap.used', 'By', 'Memory of JavaScript objects');
  const busy = instrument('nodejs.eventloop.utilization', '1', 'Share of the time it was busy');
  const cpu = instrument('process.cpu.time', 's', 'Processor time that the process has used');
  const told = performance.eventLoopUtilization();
  metrics.gauge(memory).of({}).observe = () => process.memoryUsage.rss();
  metrics.gauge(heap).of({}).observe = () => process.memoryUsage().heapUsed;
  metrics.gauge(busy).of({}).observe = () => performance.eventLoopUtilization(told).utilization;
  metrics.counter(cpu).of({}).observe = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
}
