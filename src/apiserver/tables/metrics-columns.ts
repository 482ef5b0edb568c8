import { addQuantities, parseQuantity, renderQuantity } from '#api/meta/quantity.ts';
import type { NodeMetrics } from '#api/metrics-v1beta1/node-metrics.ts';
import type { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import { column, nameColumn, type CellsOf } from '#apiserver/tables/column.ts';

export const nodeMetricsColumns: CellsOf<NodeMetrics> = [
  nameColumn,
  column('CPU', ({ usage }) => usage['cpu'] ?? ''),
  column('Memory', ({ usage }) => usage['memory'] ?? ''),
  column('Window', ({ window }) => window),
];

export const podMetricsColumns: CellsOf<PodMetrics> = [
  nameColumn,
  column('CPU', (metrics) => total(metrics, 'cpu')),
  column('Memory', (metrics) => total(metrics, 'memory')),
  column('Window', ({ window }) => window),
];

function total({ containers }: PodMetrics, resource: string): string {
  const amounts = containers.map(({ usage }) => parseQuantity(usage[resource] ?? 0));
  return renderQuantity(amounts.reduce(addQuantities, parseQuantity(0)));
}
