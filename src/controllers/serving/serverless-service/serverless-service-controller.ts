import { Deployment } from '#api/apps-v1/deployment.ts';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { endpointsOf } from '#api/discovery-v1/endpoints-of.ts';
import type { Kind, StatusOf } from '#api/kind.ts';
import { Conditions } from '#api/meta/conditions.ts';
import { isOwnedBy, type KubeObject } from '#api/meta/object-meta.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Client } from '#client/client.ts';
import {
  defineController,
  on,
  type Context,
  type Controller,
  type Key,
} from '#reconcile/controller.ts';
import { tried } from '#reconcile/told-failure.ts';
import { NameTaken } from '#reconcile/name-taken.ts';
import {
  desiredPrivateService,
  desiredPublicEndpoints,
  desiredPublicService,
  desiredPublicSlice,
  privateServiceName,
} from '#controllers/serving/serverless-service/desired-services.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/**
 * ServerlessService → a public Service that leads to the gateway and a private one that selects the pods (serving
 * specification §3.9). The gateway stands in the path always, so the public endpoints never change and are never empty.
 */
export function serverlessServiceController(config: ServingConfig): Controller<ServerlessService> {
  return defineController<ServerlessService>({
    kind: ServerlessService,
    owns: [Service, EndpointSlice, Endpoints],
    watches: [
      on(EndpointSlice, (slice) => keyByLabel(slice, networkingKeys.serverlessService)),
      on(Deployment, (deployment) => keyByLabel(deployment, servingKeys.revision)),
    ],
    reconcile: (sks, context) => reconcileServerlessService(sks, context, config),
  });
}

function keyByLabel({ metadata }: KubeObject, label: string): Key[] {
  const name = metadata.labels?.[label];
  return name === undefined ? [] : [{ namespace: metadata.namespace ?? '', name }];
}

async function reconcileServerlessService(
  sks: ServerlessService,
  { client, clock }: Context,
  { backend }: ServingConfig,
): ReturnType<Controller<ServerlessService>['reconcile']> {
  const { namespace = '', generation } = sks.metadata;
  const conditions = new Conditions({
    set: ServerlessService.conditions,
    previous: sks.status?.conditions,
    now: clock.now(),
  });
  const deployment = await client.get(Deployment, {
    namespace,
    name: sks.spec.objectRef.name ?? '',
  });
  const privateService = desiredPrivateService(sks, deployment);
  const taken =
    (privateService && (await applyOwned(client, Service, { sks, desired: privateService }))) ??
    (await applyOwned(client, Service, {
      sks,
      desired: desiredPublicService(sks, backend.port),
    })) ??
    (await applyOwned(client, EndpointSlice, {
      sks,
      desired: desiredPublicSlice(sks, backend),
    })) ??
    (await applyOwned(client, Endpoints, {
      sks,
      desired: desiredPublicEndpoints(sks, backend),
    }));
  if (taken) conditions.markFalse('EndpointsPopulated', 'NotOwned', taken.message);
  else if (!privateService) markUnready(conditions, 'CreatingPrivateService');
  else if (await hasReadyPods(client, sks)) conditions.markTrue('EndpointsPopulated');
  else markUnready(conditions, 'NoHealthyBackends');
  const reason = 'ActivatorEndpointsPopulated';
  conditions.markTrue('ActivatorEndpointsPopulated', reason, 'Revision is backed by Activator');
  const status: StatusOf<ServerlessService> = {
    ...sks.status,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(!taken && { serviceName: sks.metadata.name ?? '' }),
    ...(!taken && privateService && { privateServiceName: privateServiceName(sks) }),
    conditions: conditions.list(),
  };
  return { status, ...(taken && { failure: taken }) };
}

function markUnready(conditions: Conditions, reason: string): void {
  conditions.markUnknown('EndpointsPopulated', reason, 'K8s Service is not ready');
}

/** Undefined where the object is as it shall be; else the complaint that its name is taken. */
async function applyOwned<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  { sks, desired }: { readonly sks: ServerlessService; readonly desired: T },
): Promise<NameTaken | undefined> {
  const { name = '', namespace = '' } = desired.metadata;
  const existing = await client.get(kind, { namespace, name });
  if (existing && !isOwnedBy(existing, sks)) {
    const message = `Resource ${name} of type ${kind.kind} is not owned by SKS`;
    return new NameTaken(message, { kind, ref: { namespace, name } });
  }
  const labels = desired.metadata.labels ?? {};
  const isPublic = labels[networkingKeys.serviceType] === 'Public';
  const called = `${isPublic ? 'public' : 'private'} K8s ${kind.kind}`;
  const trial = `failed to ${existing ? 'update' : 'create'} ${called}`;
  await tried(trial, () => client.apply(kind, desired));
  return undefined;
}

async function hasReadyPods(client: Client, sks: ServerlessService): Promise<boolean> {
  const { items } = await client.list(EndpointSlice, {
    namespace: sks.metadata.namespace ?? '',
    labelSelector: `kubernetes.io/service-name=${privateServiceName(sks)}`,
  });
  return items.some((slice) => endpointsOf(slice).some(({ conditions }) => conditions?.ready));
}
