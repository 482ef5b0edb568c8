import { GATEWAY_USER } from '#apiserver/authorization/bootstrap-roles.ts';
import type { Authorizer } from '#apiserver/user.ts';

/** What the gateway asks for, word for word; a selector that says less is not this one. */
const SELECTOR = 'type=kubernetes.io/tls';

/**
 * Lets the gateway list and watch the Secrets that hold certificates, and no other: tokens and passwords are of other types.
 * RBAC's rules know no selectors, so that no ClusterRole can say it. Everything else is for `rbac` to decide.
 */
export function withServingSecrets(rbac: Authorizer): Authorizer {
  return (attributes) => {
    const { user, verb, resource } = attributes;
    const isAsked =
      user.name === GATEWAY_USER &&
      resource?.group === '' &&
      resource.plural === 'secrets' &&
      resource.subresource === undefined &&
      (verb === 'list' || verb === 'watch') &&
      resource.fieldSelector === SELECTOR;
    if (!isAsked) return rbac(attributes);
    return Promise.resolve({ allowed: true, reason: 'the gateway may read certificates' });
  };
}
