import type { Condition } from '#api/generated/meta-v1.ts';
import { Service } from '#api/core-v1/service.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { defineController, keyOf, on, type Controller } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

export interface LoadBalancerOptions {
  /** The one address that every LoadBalancer has. */
  readonly address: string;
  /** `TCP/6443`: ports of the address that are the platform's own. */
  readonly ownPorts: ReadonlySet<string>;
}

/**
 * Gives Services of type LoadBalancer their ingress entry. They share one address, so of two that want the same port of it
 * the older one has it; the other gets none, is told why by an event, and is served once the port is free.
 */
export function loadBalancerController(options: LoadBalancerOptions): Controller<Service> {
  return defineController<Service>({
    kind: Service,
    watches: [
      on(Service, (service, known) =>
        known
          .list(Service)
          .filter((other) => rivals(service, other))
          .map(keyOf),
      ),
    ],
    async reconcile(service, context) {
      const { spec, status } = service;
      const before = status?.loadBalancer?.ingress ?? [];
      // Another class is somebody else's to serve and to report.
      if (spec?.loadBalancerClass !== undefined && isBalanced(service)) return {};
      if (!isBalanced(service)) return before.length === 0 ? {} : { status: { loadBalancer: {} } };
      const problem = problemOf(service, (await context.client.list(Service)).items, options);
      if (problem === undefined) {
        const ingress = [{ ip: options.address, ipMode: 'VIP' }];
        return { status: { loadBalancer: { ingress } } };
      }
      const known = status?.conditions?.find(({ message }) => message === problem);
      if (!known) {
        const text = { type: 'Warning', component: 'service-controller' } as const;
        const reason = 'SyncLoadBalancerFailed';
        await recordEvent(context, service, { ...text, reason, message: problem });
      }
      const conditions = [known ?? portsError(problem, timestamp(context.clock.now()))];
      return { status: { loadBalancer: {}, conditions } };
    },
  });
}

/** Kubernetes' own condition for what a load balancer cannot do with the ports of a Service. */
function portsError(message: string, lastTransitionTime: string): Condition {
  const type = 'LoadBalancerPortsError';
  return { type, status: 'True', reason: 'PortTaken', message, lastTransitionTime };
}

function isBalanced({ spec, metadata }: Service): boolean {
  return spec?.type === 'LoadBalancer' && metadata.deletionTimestamp === undefined;
}

/** Why the Service cannot have the address; undefined where it can. */
function problemOf(
  service: Service,
  all: readonly Service[],
  { address, ownPorts }: LoadBalancerOptions,
): string | undefined {
  const own = portsOf(service).find((port) => ownPorts.has(port));
  if (own !== undefined)
    return `Cannot use port ${own} of ${address}: it is the platform's own; choose another port`;
  const older = all.find((other) => rivals(service, other) && isBefore(other, service));
  const { namespace, name } = older?.metadata ?? {};
  return older && `Cannot use ${address}: a port is taken by the Service ${namespace}/${name}`;
}

/** Two that want the same port. */
function rivals(a: Service, b: Service): boolean {
  if (a.metadata.uid === b.metadata.uid) return false;
  if (!isBalanced(b) || b.spec?.loadBalancerClass !== undefined) return false;
  const taken = new Set(portsOf(a));
  return portsOf(b).some((port) => taken.has(port));
}

function portsOf({ spec }: Service): string[] {
  return (spec?.ports ?? []).map(({ port, protocol = 'TCP' }) => `${protocol}/${port}`);
}

function isBefore(a: Service, b: Service): boolean {
  const ageOf = ({ metadata }: Service): string =>
    `${metadata.creationTimestamp ?? ''} ${metadata.uid ?? ''}`;
  return ageOf(a) < ageOf(b);
}
