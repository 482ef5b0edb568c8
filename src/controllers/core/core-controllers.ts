import type { Kind } from '#api/kind.ts';
import { deploymentController } from '#controllers/core/deployment/deployment-controller.ts';
import { endpointSliceController } from '#controllers/core/endpoint-slice/endpoint-slice-controller.ts';
import { eventController } from '#controllers/core/event/event-controller.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { namespaceController } from '#controllers/core/namespace/namespace-controller.ts';
import { podBindingController } from '#controllers/core/pod-binding/pod-binding-controller.ts';
import { replicaSetController } from '#controllers/core/replica-set/replica-set-controller.ts';
import { rootCaController } from '#controllers/core/service-account/root-ca-controller.ts';
import { serviceAccountController } from '#controllers/core/service-account/service-account-controller.ts';
import type { AnyController } from '#reconcile/controller.ts';
import type { LoopStarter } from '#reconcile/loop.ts';

export interface CoreControllersOptions {
  /** Every kind that is stored: namespaces are emptied of them, and owners deleted with what they own. */
  readonly kinds: readonly Kind[];
  /** The certificate of the API server's CA, in PEM. */
  readonly caPem: string;
}

/** What Kubernetes itself does to objects, for a cluster that has none of its controllers: for runControllers. */
export function coreControllers({ kinds, caPem }: CoreControllersOptions): {
  readonly controllers: readonly AnyController[];
  readonly loops: readonly LoopStarter[];
} {
  return {
    controllers: [
      namespaceController(kinds),
      serviceAccountController,
      rootCaController(caPem),
      deploymentController,
      replicaSetController,
      endpointSliceController,
      podBindingController,
      eventController,
    ],
    loops: [garbageCollector(kinds)],
  };
}
