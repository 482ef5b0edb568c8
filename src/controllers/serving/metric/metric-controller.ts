import { Metric } from '#api/autoscaling-v1alpha1/metric.ts';
import { Conditions } from '#api/meta/conditions.ts';
import { defineController, type Controller } from '#reconcile/controller.ts';

/** Metric → Ready: what passes the gateway is measured from the first request on, whoever asks for it. */
export function metricController(): Controller<Metric> {
  return defineController<Metric>({
    kind: Metric,
    reconcile({ metadata, status }, { clock }) {
      const conditions = new Conditions({
        set: Metric.conditions,
        previous: status?.conditions,
        now: clock.now(),
      });
      conditions.markTrue('Ready');
      const { generation: observedGeneration = 0 } = metadata;
      return Promise.resolve({ status: { observedGeneration, conditions: conditions.list() } });
    },
  });
}
