import { childName } from '#api/meta/child-name.ts';
import { isOwnedBy, type KubeObject } from '#api/meta/object-meta.ts';
import type { StatusOf } from '#api/kind.ts';
import { apiVersionOf } from '#api/kind.ts';
import { conditionOf, Conditions } from '#api/meta/conditions.ts';
import { ClusterDomainClaim } from '#api/networking-v1alpha1/cluster-domain-claim.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { DomainMapping } from '#api/serving-v1beta1/domain-mapping.ts';
import type { Client } from '#client/client.ts';
import {
  defineController,
  keyOf,
  on,
  type Context,
  type Controller,
  type Key,
  type Known,
  type Outcome,
} from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { tried } from '#reconcile/told-failure.ts';
import {
  certificateTaken,
  markCertificates,
  notEnabled,
} from '#controllers/serving/certificate/tls-state.ts';
import { desiredDomainIngress } from '#controllers/serving/domain-mapping/desired-domain-ingress.ts';
import { ensureMappingTls } from '#controllers/serving/domain-mapping/mapping-certificate.ts';
import {
  isTarget,
  resolveReference,
  TARGETS,
} from '#controllers/serving/domain-mapping/resolve-reference.ts';
import { markIngress } from '#controllers/serving/ingress-condition.ts';
import { doesNotOwn, ensureOwned } from '#controllers/serving/ensure-owned.ts';
import { publicUrl } from '#controllers/serving/route/route-hosts.ts';
import { asOfNow, type ServingConfig } from '#controllers/serving/serving-config.ts';

type Status = StatusOf<DomainMapping>;

const COMPONENT = 'domainmapping-controller';

/** DomainMapping → a claim of its domain and an Ingress for it (serving specification §3.10). */
export function domainMappingController(config: ServingConfig): Controller<DomainMapping> {
  return defineController<DomainMapping>({
    kind: DomainMapping,
    owns: [Certificate, Ingress],
    watches: [
      on(ClusterDomainClaim, ({ metadata }, known) =>
        mappings(known, (mapping) => mapping.metadata.name === metadata.name),
      ),
      ...TARGETS.map((kind) =>
        on(kind, (object: KubeObject, known) =>
          mappings(known, (mapping) => isTarget(mapping, object)),
        ),
      ),
    ],
    reconcile: (mapping, context) => reconcileMapping(mapping, context, asOfNow(config)),
    finalizer: {
      name: 'domainmappings.serving.knative.dev',
      async finalize({ metadata }, { client }) {
        const { name = '', namespace } = metadata;
        const claim = await client.get(ClusterDomainClaim, { name });
        const isOurs = claim?.spec.namespace === namespace;
        // A claim that somebody made is theirs to give up.
        if (isOurs && config.settings().network.createsDomainClaims) {
          await client.delete(ClusterDomainClaim, { name });
        }
        return true;
      },
    },
  });
}

function mappings(known: Known, isMeant: (mapping: DomainMapping) => boolean): Key[] {
  return known.list(DomainMapping).filter(isMeant).map(keyOf);
}

async function reconcileMapping(
  mapping: DomainMapping,
  context: Context,
  config: ServingConfig,
): Promise<Outcome<Status>> {
  const { client, clock } = context;
  const conditions = new Conditions({
    set: DomainMapping.conditions,
    previous: mapping.status?.conditions,
    now: clock.now(),
  });
  const { name = '', generation } = mapping.metadata;
  let tls = notEnabled();
  const told = (): Status => {
    const url = publicUrl(name, tls.secure, config);
    return {
      ...(generation !== undefined && { observedGeneration: generation }),
      url,
      address: { url },
      conditions: conditions.list(),
    };
  };
  const unclaimed = await claimComplaint(client, mapping, config);
  if (unclaimed !== undefined) {
    const message = 'The domain name is already in use by another DomainMapping';
    conditions.markFalse('DomainClaimed', 'DomainAlreadyClaimed', message);
    await tellOnce(mapping, context, { type: 'DomainClaimed', message: unclaimed });
    await release(client, mapping);
    return { status: told() };
  }
  conditions.markTrue('DomainClaimed');
  tls = await ensureMappingTls(mapping, context, config);
  markCertificates(conditions, tls);
  const resolution = await resolveReference(client, mapping, config.clusterDomain);
  if ('complaint' in resolution) {
    const type = 'ReferenceResolved';
    conditions.markFalse(type, 'ResolveFailed', resolution.complaint);
    const { error = resolution.complaint } = resolution;
    await tellOnce(mapping, context, { type, message: error });
    return { status: told() };
  }
  conditions.markTrue('ReferenceResolved');
  const settings = config.settings();
  const desired = desiredDomainIngress(mapping, { ...resolution, tls, settings });
  const teller = { context, component: COMPONENT, unmade: Ingress.kind };
  const ingress = await ensureOwned(client, Ingress, { owner: mapping, desired, settings, teller });
  const { name: own = '' } = desired.metadata;
  markIngress(conditions, own, ingress);
  const failure = ingress
    ? certificateTaken(mapping, tls)
    : doesNotOwn(mapping, Ingress, { name: own });
  return {
    status: told(),
    ...(failure && { failure }),
  };
}

/** Once: what must change first is watched, and nothing is tried again until then. */
async function tellOnce(
  mapping: DomainMapping,
  context: Context,
  { type, message }: { readonly type: string; readonly message: string },
): Promise<void> {
  if (conditionOf(mapping, type)?.status === 'False') return;
  await recordEvent(context, mapping, {
    type: 'Warning',
    reason: 'InternalError',
    message,
    component: COMPONENT,
  });
}

/** Why the domain is not this namespace's; undefined where it is, or becomes so now. */
async function claimComplaint(
  client: Client,
  { metadata }: DomainMapping,
  config: ServingConfig,
): Promise<string | undefined> {
  const { name = '', namespace = '' } = metadata;
  const claim = await client.get(ClusterDomainClaim, { name });
  if (claim) {
    if (claim.spec.namespace === namespace) return undefined;
    return `namespace "${namespace}" does not own ClusterDomainClaim for "${name}"`;
  }
  if (!config.settings().network.createsDomainClaims) {
    return `no ClusterDomainClaim found for domain "${name}" (and autocreate-cluster-domain-claims property is not true)`;
  }
  await tried('failed to create ClusterDomainClaim', () =>
    client.create(ClusterDomainClaim, {
      apiVersion: apiVersionOf(ClusterDomainClaim),
      kind: ClusterDomainClaim.kind,
      metadata: { name },
      spec: { namespace },
    }),
  );
  return undefined;
}

/** A host that is somebody else's is not served for this mapping any more. */
async function release(client: Client, mapping: DomainMapping): Promise<void> {
  const { name = '', namespace = '' } = mapping.metadata;
  const ref = { namespace, name: childName(name, '') };
  const ingress = await client.get(Ingress, ref);
  if (ingress && isOwnedBy(ingress, mapping)) await client.delete(Ingress, ref);
}
