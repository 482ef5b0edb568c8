import { apiVersionOf } from '#api/kind.ts';
import { childName } from '#api/meta/child-name.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { DomainMapping } from '#api/serving-v1beta1/domain-mapping.ts';
import { challengePaths, type TlsState } from '#controllers/serving/certificate/tls-state.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import { httpOption } from '#controllers/serving/http-option.ts';
import { ingressAnnotations } from '#controllers/serving/ingress-annotations.ts';

/** Requests for the mapped host go on as ones for `host`, and the program still sees the host that was asked for. */
export function desiredDomainIngress(
  mapping: DomainMapping,
  {
    service,
    host,
    tls,
    settings,
  }: {
    readonly service: string;
    readonly host: string;
    readonly tls: TlsState;
    readonly settings: ServingSettings;
  },
): Ingress {
  const { name, namespace } = placeOf(mapping.metadata);
  const { labels, annotations, uid = '' } = mapping.metadata;
  return {
    apiVersion: apiVersionOf(Ingress),
    kind: Ingress.kind,
    metadata: {
      name: childName(name, ''),
      namespace,
      labels: {
        ...labels,
        [servingKeys.domainMappingUid]: uid,
        [servingKeys.domainMappingNamespace]: namespace,
      },
      annotations: ingressAnnotations(annotations, settings),
    },
    spec: {
      httpOption: httpOption(annotations, settings),
      ...(tls.tls.length > 0 && { tls: [...tls.tls] }),
      rules: [
        {
          hosts: [name],
          visibility: 'ExternalIP',
          http: {
            paths: [
              ...challengePaths(name, tls),
              {
                rewriteHost: host,
                splits: [
                  {
                    serviceName: service,
                    serviceNamespace: namespace,
                    servicePort: 80,
                    percent: 100,
                    appendHeaders: { 'K-Original-Host': name },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
  };
}
