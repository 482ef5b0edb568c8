import { INGRESS_CLASS } from '#api/networking-v1alpha1/networking-keys.ts';
import { autoscalerDefaults, type AutoscalerConfig } from '#autoscaler/scale-settings.ts';
import {
  garbageDefaults,
  type GarbageConfig,
} from '#controllers/serving/revision-garbage/unneeded-revisions.ts';

/**
 * What decides how Serving behaves on this cluster. The one place where a controller gets configuration from: main.ts
 * hands it in, and the ConfigMaps of the system namespace will be read into it.
 */
export interface ServingConfig {
  /** Of public hosts: `localhost` gives `hello.default.localhost`. */
  readonly domain: string;
  readonly clusterDomain: string;
  /** Where the gateway listens for the public; shown in URLs where it is not 80, and never part of a host. */
  readonly publicPort: number;
  /** The name by which the cluster reaches the gateway's private listener. */
  readonly privateGateway: string;
  readonly ingressClass: string;
  /** Where a revision's public Service leads: the gateway's trusted listener. */
  readonly backend: { readonly address: string; readonly port: number };
  readonly progressDeadlineSeconds: number;
  readonly autoscaler: AutoscalerConfig;
  readonly garbage: GarbageConfig;
}

export const servingDefaults = {
  domain: 'localhost',
  clusterDomain: 'cluster.local',
  privateGateway: 'gateway-internal.knative-serving.svc.cluster.local',
  ingressClass: INGRESS_CLASS,
  progressDeadlineSeconds: 600,
  autoscaler: autoscalerDefaults,
  garbage: garbageDefaults,
} as const;
