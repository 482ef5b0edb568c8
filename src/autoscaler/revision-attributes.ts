import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Attributes } from '#telemetry/metrics.ts';

/** By which upstream's metrics and spans tell revisions apart. `labels` are the Revision's, or of what is made for it. */
export function revisionAttributes({
  namespace,
  revision,
  labels = {},
}: {
  readonly namespace: string;
  readonly revision: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}): Attributes {
  return {
    'k8s.namespace.name': namespace,
    'kn.service.name': labels[servingKeys.service] ?? '',
    'kn.configuration.name': labels[servingKeys.configuration] ?? '',
    'kn.revision.name': revision,
  };
}
