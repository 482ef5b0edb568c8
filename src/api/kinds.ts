import { MutatingWebhookConfiguration } from '#api/admissionregistration-v1/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import { CustomResourceDefinition } from '#api/apiextensions-v1/custom-resource-definition.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Event } from '#api/core-v1/event.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { Service } from '#api/core-v1/service.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Kind } from '#api/kind.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac-v1/cluster-role-binding.ts';
import { Role } from '#api/rbac-v1/role.ts';
import { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service as ServingService } from '#api/serving-v1/service.ts';

/** What the embedded cluster serves: Kubernetes' own kinds. */
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
  Role,
  RoleBinding,
  ClusterRole,
  ClusterRoleBinding,
  CustomResourceDefinition,
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
];

/** Knative Serving's, which on a foreign cluster are custom resources. */
export const servingKinds: readonly Kind[] = [
  ServingService,
  Configuration,
  Revision,
  Route,
  Ingress,
  ServerlessService,
  PodAutoscaler,
];
