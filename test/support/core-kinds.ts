import { Deployment } from '#api/apps-v1/deployment.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Event } from '#api/core-v1/event.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Kind } from '#api/kind.ts';

/** What every cluster of a test serves. */
export const coreKinds: readonly Kind[] = [
  Namespace,
  Node,
  Pod,
  Service,
  ConfigMap,
  Secret,
  ServiceAccount,
  Endpoints,
  Event,
  Deployment,
  ReplicaSet,
  EndpointSlice,
  Lease,
];
