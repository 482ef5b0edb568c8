import { networkingAliases } from '#api/networking-v1alpha1/networking-keys.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { findAlias } from '#api/serving-v1/serving-keys.ts';
import { TerminalError } from '#reconcile/controller.ts';

type HttpOption = NonNullable<Ingress['spec']['httpOption']>;

/** What becomes of requests without TLS: as the annotation says, else the cluster. Throws TerminalError for another word. */
export function httpOption(
  annotations: Readonly<Record<string, string>> | undefined,
  { network }: ServingSettings,
): HttpOption {
  const said = findAlias(annotations, networkingAliases.httpProtocol)?.value.toLowerCase() ?? '';
  if (said === 'enabled') return 'Enabled';
  if (said === 'redirected') return 'Redirected';
  if (said !== '') throw new TerminalError(`incorrect http-protocol annotation: ${said}`);
  return network.httpProtocol === 'Disabled' ? '' : network.httpProtocol;
}
