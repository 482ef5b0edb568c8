import type { Clock } from '#base/clock.ts';
import type { Autoscaler } from '#autoscaler/autoscaler.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import type { LiveSettings } from '#client/live-settings.ts';
import type { AnyController, Trigger } from '#reconcile/controller.ts';
import { certificateController } from '#controllers/serving/certificate/certificate-controller.ts';
import { configurationController } from '#controllers/serving/configuration/configuration-controller.ts';
import { domainMappingController } from '#controllers/serving/domain-mapping/domain-mapping-controller.ts';
import { labelerController } from '#controllers/serving/labeler/labeler-controller.ts';
import { metricController } from '#controllers/serving/metric/metric-controller.ts';
import { namespaceCertificateController } from '#controllers/serving/namespace-certificate/namespace-certificate-controller.ts';
import { podAutoscalerController } from '#controllers/serving/pod-autoscaler/pod-autoscaler-controller.ts';
import {
  DigestResolver,
  type ResolveDigest,
} from '#controllers/serving/revision/digest-resolver.ts';
import { revisionController } from '#controllers/serving/revision/revision-controller.ts';
import { revisionGarbageController } from '#controllers/serving/revision-garbage/revision-garbage-controller.ts';
import { routeController } from '#controllers/serving/route/route-controller.ts';
import { serverlessServiceController } from '#controllers/serving/serverless-service/serverless-service-controller.ts';
import { serviceController } from '#controllers/serving/service/service-controller.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

export interface ServingOptions {
  readonly config: ServingConfig;
  readonly autoscaler: Autoscaler;
  readonly resolveDigest: ResolveDigest;
  /** Tells when the settings of `config` have changed: all is looked at again. */
  readonly live: Pick<LiveSettings, 'onChange'>;
  readonly clock: Clock;
  /** Where numbers of pods are measured; nowhere where absent. */
  readonly metrics?: Metrics;
}

/** All of Knative Serving that reconciles. The Ingress is the gateway's. */
export function servingControllers(options: ServingOptions): readonly AnyController[] {
  const { config, autoscaler, resolveDigest, clock, live } = options;
  const digests = new DigestResolver(resolveDigest, clock);
  const onSettings: Trigger = (_enqueue, signal, enqueueAll) => live.onChange(enqueueAll, signal);
  const configured = [
    revisionController({ config, digests }),
    revisionGarbageController(config),
    routeController(config),
    domainMappingController(config),
    certificateController(config),
    namespaceCertificateController(config),
    podAutoscalerController({ config, autoscaler, metrics: options.metrics }),
  ].map((controller: AnyController): AnyController => {
    const triggers = [...(controller.triggers ?? []), onSettings];
    return Object.freeze({ ...controller, triggers });
  });
  return [
    serviceController(config),
    ...configured,
    configurationController(),
    labelerController(),
    metricController(),
    serverlessServiceController(config),
  ];
}
