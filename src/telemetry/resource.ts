import type { Attributes } from '#telemetry/metrics.ts';

/** Who tells: the same for all that one process says. */
export interface Resource {
  /** OpenTelemetry's `service.name`: a part of the platform. */
  readonly name: string;
  readonly version: string;
  /** Tells processes of one name apart. */
  readonly instance: string;
}

export function resourceAttributes({ name, version, instance }: Resource): Attributes {
  return {
    'service.name': name,
    'service.version': version,
    'service.instance.id': instance,
  };
}
