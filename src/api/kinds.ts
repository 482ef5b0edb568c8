import { MutatingWebhookConfiguration } from '#api/admissionregistration-v1/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import { CustomResourceDefinition } from '#api/apiextensions-v1/custom-resource-definition.ts';
import { DaemonSet } from '#api/apps-v1/daemon-set.ts';
import { StatefulSet } from '#api/apps-v1/stateful-set.ts';
import { HorizontalPodAutoscaler as HorizontalPodAutoscalerV1 } from '#api/autoscaling-v1/horizontal-pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import { CronJob } from '#api/batch-v1/cron-job.ts';
import { Job } from '#api/batch-v1/job.ts';
import { LimitRange } from '#api/core-v1/limit-range.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PodTemplate } from '#api/core-v1/pod-template.ts';
import { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import { Event as EventV1 } from '#api/events-v1/event.ts';
import { NodeMetrics } from '#api/metrics-v1beta1/node-metrics.ts';
import { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import { Ingress as NetworkingIngress } from '#api/networking-v1/ingress.ts';
import { IngressClass } from '#api/networking-v1/ingress-class.ts';
import { NetworkPolicy } from '#api/networking-v1/network-policy.ts';
import { PodDisruptionBudget } from '#api/policy-v1/pod-disruption-budget.ts';
import { PriorityClass } from '#api/scheduling-v1/priority-class.ts';
import { StorageClass } from '#api/storage-v1/storage-class.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Metric } from '#api/autoscaling-v1alpha1/metric.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Image } from '#api/caching-v1alpha1/image.ts';
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
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { ClusterDomainClaim } from '#api/networking-v1alpha1/cluster-domain-claim.ts';
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
import { DomainMapping } from '#api/serving-v1beta1/domain-mapping.ts';

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
  PodTemplate,
  ResourceQuota,
  LimitRange,
  PersistentVolume,
  PersistentVolumeClaim,
  StatefulSet,
  DaemonSet,
  Job,
  CronJob,
  HorizontalPodAutoscaler,
  StorageClass,
  PriorityClass,
  PodDisruptionBudget,
  NetworkPolicy,
  NetworkingIngress,
  IngressClass,
];

/** Kinds that are other views of the above: served, but not kept, watched or collected a second time. */
export const viewKinds: readonly Kind[] = [EventV1, HorizontalPodAutoscalerV1];

/** What is measured, told as objects: served, but never stored. */
export const measuredKinds: readonly Kind[] = [NodeMetrics, PodMetrics];

/** Knative Serving's, which on a foreign cluster are custom resources. */
export const servingKinds: readonly Kind[] = [
  ServingService,
  Configuration,
  Revision,
  Route,
  Ingress,
  ServerlessService,
  PodAutoscaler,
  DomainMapping,
  ClusterDomainClaim,
  Certificate,
  Metric,
  Image,
];
