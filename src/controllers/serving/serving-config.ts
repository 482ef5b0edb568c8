import type { ChallengeResponder } from '#acme/challenge-responder.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';

/** What decides how Serving behaves on this cluster: where its parts are, and what its ConfigMaps say. */
export interface ServingConfig {
  /** Of public hosts that config-domain has no domain for: `localhost` gives `hello.default.localhost`. */
  readonly domain: string;
  readonly clusterDomain: string;
  /** Where the gateway listens for the public; shown in URLs where it is not 80, and never part of a host. */
  readonly publicPort: number;
  /** Where it listens for TLS; shown in URLs where it is not 443. */
  readonly publicHttpsPort: number;
  /** The name by which the cluster reaches the gateway's private listener. */
  readonly privateGateway: string;
  /** Where a revision's public Service leads: the gateway's trusted listener. */
  readonly backend: { readonly address: string; readonly port: number };
  /**
   * The gateway as nodes reach it, whom a container asks before it ends: it answers once no request is in the pod. Absent
   * where whoever stops pods waits for that himself.
   */
  readonly drain?: { readonly address: string; readonly port: number };
  /** Who answers for hosts that an ACME server asks about. */
  readonly challenges: ChallengeResponder;
  /** As the ConfigMaps are now; a reconcile asks once. */
  readonly settings: () => ServingSettings;
}

export const servingDefaults = {
  domain: 'localhost',
  clusterDomain: 'cluster.local',
  privateGateway: 'gateway-internal.knative-serving.svc.cluster.local',
} as const;

/** One reconcile sees one configuration, whatever is written while it waits. */
export function asOfNow(config: ServingConfig): ServingConfig {
  const settings = config.settings();
  return { ...config, settings: () => settings };
}
