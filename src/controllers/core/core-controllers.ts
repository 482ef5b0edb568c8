import type { ServedKinds } from '#api/served-kinds.ts';
import { clusterRoleController } from '#controllers/core/cluster-role/cluster-role-controller.ts';
import { cronJobController } from '#controllers/core/cron-job/cron-job-controller.ts';
import { deploymentController } from '#controllers/core/deployment/deployment-controller.ts';
import { endpointSliceController } from '#controllers/core/endpoint-slice/endpoint-slice-controller.ts';
import { endpointsController } from '#controllers/core/endpoints/endpoints-controller.ts';
import { mirroredSlicesController } from '#controllers/core/endpoints/mirrored-slices-controller.ts';
import { eventController } from '#controllers/core/event/event-controller.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { horizontalPodAutoscalerController } from '#controllers/core/horizontal-pod-autoscaler/horizontal-pod-autoscaler-controller.ts';
import {
  loadBalancerController,
  type LoadBalancerOptions,
} from '#controllers/core/load-balancer/load-balancer-controller.ts';
import { namespaceController } from '#controllers/core/namespace/namespace-controller.ts';
import { jobController, jobPodController } from '#controllers/core/job/job-controller.ts';
import { podGarbageController } from '#controllers/core/pod-garbage/pod-garbage-controller.ts';
import { nodeController } from '#controllers/core/node/node-controller.ts';
import { claimController } from '#controllers/core/persistent-volume/claim-controller.ts';
import { ephemeralVolumeController } from '#controllers/core/persistent-volume/ephemeral-volume-controller.ts';
import type { LocalVolumes } from '#controllers/core/persistent-volume/local-volumes.ts';
import { volumeController } from '#controllers/core/persistent-volume/volume-controller.ts';
import { replicaSetController } from '#controllers/core/replica-set/replica-set-controller.ts';
import { accountTokenController } from '#controllers/core/service-account/account-token-controller.ts';
import { rootCaController } from '#controllers/core/service-account/root-ca-controller.ts';
import { resourceQuotaController } from '#controllers/core/resource-quota/resource-quota-controller.ts';
import { scheduler } from '#controllers/core/scheduler/scheduler.ts';
import { serviceAccountController } from '#controllers/core/service-account/service-account-controller.ts';
import { taintEvictionController } from '#controllers/core/taint-eviction/taint-eviction-controller.ts';
import type { AnyController } from '#reconcile/controller.ts';
import type { LoopStarter } from '#reconcile/loop.ts';

export interface CoreControllersOptions {
  /** Every kind that is stored: namespaces are emptied of them, and owners deleted with what they own. */
  readonly kinds: ServedKinds;
  /** Where volumes are made for claims. */
  readonly folders: LocalVolumes;
  /** The certificate of the API server's CA, in PEM. */
  readonly caPem: string;
  /** Where LoadBalancers are reached; without it nobody gives them an address. */
  readonly loadBalancers?: LoadBalancerOptions;
}

/** What Kubernetes itself does to objects, for a cluster that has none of its controllers: for runControllers. */
export function coreControllers(options: CoreControllersOptions): {
  readonly controllers: readonly AnyController[];
  readonly loops: readonly LoopStarter[];
} {
  const { kinds, folders, caPem, loadBalancers } = options;
  return {
    controllers: [
      namespaceController(kinds),
      serviceAccountController,
      rootCaController(caPem),
      accountTokenController(caPem),
      deploymentController(),
      replicaSetController,
      jobController,
      cronJobController(),
      jobPodController,
      horizontalPodAutoscalerController(kinds),
      endpointSliceController,
      endpointsController,
      ...(loadBalancers ? [loadBalancerController(loadBalancers)] : []),
      mirroredSlicesController,
      eventController,
      clusterRoleController,
      nodeController(),
      taintEvictionController,
      podGarbageController(),
      scheduler(),
      claimController(folders),
      volumeController(folders),
      ephemeralVolumeController,
      resourceQuotaController(kinds),
    ],
    loops: [garbageCollector(kinds)],
  };
}
