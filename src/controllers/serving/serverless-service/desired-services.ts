import type { Deployment } from '#api/apps-v1/deployment.ts';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { apiVersionOf } from '#api/kind.ts';
import { childName } from '#api/meta/child-name.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { USER_PORT_NAME } from '#api/serving-v1/revision-template.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

const HTTP2_APP_PROTOCOL = 'kubernetes.io/h2c';

/** The Service that is always there: its traffic goes to the gateway, which knows the revision's pods. */
export function desiredPublicService(sks: ServerlessService, backendPort: number): Service {
  const isHttp2 = sks.spec.protocolType === 'h2c';
  return {
    apiVersion: apiVersionOf(Service),
    kind: Service.kind,
    metadata: publicMetadata(sks),
    spec: {
      ports: [
        {
          name: isHttp2 ? 'http2' : 'http',
          protocol: 'TCP',
          port: isHttp2 ? 81 : 80,
          targetPort: backendPort,
          ...(isHttp2 && { appProtocol: HTTP2_APP_PROTOCOL }),
        },
      ],
    },
  };
}

/** The Service that selects the pods. Undefined while the Deployment, which says how, is not there. */
export function desiredPrivateService(
  sks: ServerlessService,
  deployment: Deployment | undefined,
): Service | undefined {
  const selector = deployment?.spec?.selector.matchLabels;
  if (!selector) return undefined;
  const isHttp2 = sks.spec.protocolType === 'h2c';
  return {
    apiVersion: apiVersionOf(Service),
    kind: Service.kind,
    metadata: metadataOf(sks, { name: privateServiceName(sks), type: 'Private' }),
    spec: {
      selector,
      ports: [
        {
          name: isHttp2 ? 'http2' : 'http',
          protocol: 'TCP',
          port: 80,
          targetPort: USER_PORT_NAME,
          ...(isHttp2 && { appProtocol: HTTP2_APP_PROTOCOL }),
        },
      ],
    },
  };
}

export function privateServiceName({ metadata }: ServerlessService): string {
  return childName(metadata.name ?? '', '-private');
}

/** The endpoints of the public Service, written by hand since it selects nothing. */
export function desiredPublicSlice(
  sks: ServerlessService,
  backend: ServingConfig['backend'],
): EndpointSlice {
  const { labels, ...metadata } = publicMetadata(sks);
  return {
    apiVersion: apiVersionOf(EndpointSlice),
    kind: EndpointSlice.kind,
    metadata: {
      ...metadata,
      labels: {
        ...labels,
        'kubernetes.io/service-name': sks.metadata.name ?? '',
        'endpointslice.kubernetes.io/managed-by': 'serverlessservice-controller.knode.dev',
      },
    },
    addressType: backend.address.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [backend.address], conditions: { ready: true } }],
    ports: [publicTarget(sks, backend)],
  };
}

/** The same for clients that still read Endpoints; the label keeps it from being mirrored to a second slice. */
export function desiredPublicEndpoints(
  sks: ServerlessService,
  backend: ServingConfig['backend'],
): Endpoints {
  const { labels, ...metadata } = publicMetadata(sks);
  return {
    apiVersion: apiVersionOf(Endpoints),
    kind: Endpoints.kind,
    metadata: {
      ...metadata,
      labels: { ...labels, 'endpointslice.kubernetes.io/skip-mirror': 'true' },
    },
    subsets: [{ addresses: [{ ip: backend.address }], ports: [publicTarget(sks, backend)] }],
  };
}

function publicTarget({ spec }: ServerlessService, { port }: ServingConfig['backend']) {
  return { name: spec.protocolType === 'h2c' ? 'http2' : 'http', protocol: 'TCP', port };
}

function publicMetadata(sks: ServerlessService): Service['metadata'] {
  return metadataOf(sks, { name: sks.metadata.name ?? '', type: 'Public' });
}

function metadataOf(
  sks: ServerlessService,
  { name, type }: { readonly name: string; readonly type: 'Public' | 'Private' },
): Service['metadata'] {
  return {
    name,
    namespace: sks.metadata.namespace ?? '',
    labels: {
      ...sks.metadata.labels,
      [networkingKeys.serverlessService]: sks.metadata.name ?? '',
      [networkingKeys.serviceType]: type,
    },
    annotations: { ...sks.metadata.annotations },
    ownerReferences: [controllerReference(sks)],
  };
}
