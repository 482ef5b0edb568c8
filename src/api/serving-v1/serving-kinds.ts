import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { Kind } from '#api/kind.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';

/** Every kind that Serving needs an API server to know. */
export const servingKinds: readonly Kind[] = [
  Service,
  Configuration,
  Revision,
  Route,
  Ingress,
  ServerlessService,
  PodAutoscaler,
] as readonly Kind[];
