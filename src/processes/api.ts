import { writeFileAtomic } from '#base/atomic-file.ts';
import { sleep } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import type { PodSpec } from '#api/generated/core-v1.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { coreKinds, servingKinds, viewKinds } from '#api/kinds.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { Service } from '#api/core-v1/service.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac-v1/cluster-role-binding.ts';
import { Role } from '#api/rbac-v1/role.ts';
import { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import type { ServedKinds } from '#api/served-kinds.ts';
import { createApiServer, type ApiServer, type ApiServerOptions } from '#apiserver/api-server.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { endpointAddresses } from '#apiserver/admission/endpoint-addresses.ts';
import { limitRanger } from '#apiserver/admission/limit-ranger.ts';
import { templateTrial } from '#apiserver/admission/template-trial.ts';
import { serviceAccountVolume } from '#apiserver/admission/service-account-volume.ts';
import { resourceQuotas } from '#apiserver/admission/resource-quotas.ts';
import { authenticator } from '#apiserver/authentication/authenticator.ts';
import { withImpersonation } from '#apiserver/authentication/impersonation.ts';
import { oidcRoutes } from '#apiserver/authentication/oidc-routes.ts';
import {
  serviceAccountTokens,
  type BoundLookup,
} from '#apiserver/authentication/service-account-tokens.ts';
import { tokenKeys } from '#apiserver/authentication/token-key.ts';
import { tokenRequest } from '#apiserver/authentication/token-request.ts';
import { tokenRoutes } from '#apiserver/authentication/token-routes.ts';
import { accessReviewRoutes } from '#apiserver/authorization/access-reviews.ts';
import { GATEWAY_USER } from '#apiserver/authorization/bootstrap-roles.ts';
import { escalationCheck } from '#apiserver/authorization/escalation.ts';
import { followRbac } from '#apiserver/authorization/follow-rbac.ts';
import { rbacAuthorizer } from '#apiserver/authorization/rbac.ts';
import { withServingSecrets } from '#apiserver/authorization/serving-secrets.ts';
import { RbacObjects, type RbacObject } from '#apiserver/authorization/rbac-objects.ts';
import { CustomResources } from '#apiserver/custom-resources/custom-resources.ts';
import { webhookConverter } from '#apiserver/custom-resources/webhook-conversion.ts';
import { discoveryRoutes } from '#apiserver/discovery/discovery-routes.ts';
import { healthRoutes } from '#apiserver/discovery/health-routes.ts';
import { versionRoute } from '#apiserver/discovery/version-route.ts';
import { openApiRoutes } from '#apiserver/openapi/openapi-routes.ts';
import { metricsRoutes, type MetricsReader } from '#apiserver/metrics/metrics-routes.ts';
import { prometheusRoute } from '#apiserver/metrics/prometheus-route.ts';
import { RequestMeter } from '#apiserver/metrics/request-meter.ts';
import { kubeconfigText } from '#apiserver/pki/kubeconfig.ts';
import { openPki, type Pki } from '#apiserver/pki/pki.ts';
import { serverNames } from '#apiserver/pki/server-names.ts';
import { listen, type Listener, type ListenOptions } from '#apiserver/server.ts';
import { webhookAdmission } from '#apiserver/webhooks/webhook-admission.ts';
import { webhookCaller, type ServiceResolver } from '#apiserver/webhooks/webhook-call.ts';
import { keyOf, objectOf, prefixOf } from '#apiserver/stored-object.ts';
import { platformUser } from '#apiserver/user.ts';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import type { Store } from '#store/store.ts';
import { pathsOf } from '#supervisor/settings.ts';
import { CLUSTER_DOMAIN } from './cluster-objects.ts';
import { GATEWAY_PORTS } from './platform-services.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import { packageVersion } from './package-version.ts';
import type { PartContext } from './run-part.ts';
import { resourceOf } from './telling.ts';

export interface ApiOptions extends Omit<PartContext, 'fail' | 'foreign' | 'setLogLevel'> {
  readonly store: Store;
  readonly random: Random;
  /** IPv4 range of ClusterIPs, the address in it of the Service `kubernetes`, and this machine's for pods. */
  readonly serviceRange: string;
  readonly apiService: string;
  /** Addresses of the range that only the platform's own Services may have. */
  readonly reserved: readonly string[];
  readonly podFacing: string;
  /** What is not ready yet, for /readyz. */
  readonly readiness: () => readonly string[];
  readonly connections: NonNullable<ApiServerOptions['connections']>;
  readonly streams: NonNullable<ApiServerOptions['streams']>;
  readonly generateName: NonNullable<ApiServerOptions['generateName']>;
  readonly metrics: MetricsReader;
  readonly serving: NonNullable<ApiServerOptions['serving']>;
  /** What this process measures, requests to the API among it. */
  readonly measured: Metrics;
}

export interface Api extends AsyncDisposable {
  /** All that is served, custom resources included. */
  readonly kinds: ServedKinds;
  /** In process, as the platform itself. */
  readonly client: Client;
  /** PEM: by which everybody knows this API. */
  readonly authority: string;
  /** For another server of the platform, by the same authority; kept under its name. */
  certificate: Pki['service'];
  /** Opens the listeners, and writes the kubeconfigs that lead to them. */
  serve(): Promise<void>;
}

/** The API server with everything around it: certificates, tokens, roles, discovery, listeners. */
export async function openApi(options: ApiOptions): Promise<Api> {
  const { store, settings, clock, random, log, signal } = options;
  const pki = await openPki({ home: settings.home, clock });
  const rbac = new RbacObjects();
  await followRbac(rbac, { store, clock, log, signal, prefixes: rbacPrefixes() });
  const authorizer = withServingSecrets(rbacAuthorizer(rbac));
  const keys = tokenKeys(await pki.tokenKey());
  const issuer = `https://kubernetes.default.svc.${CLUSTER_DOMAIN}`;
  const audiences = [issuer] as const;
  const lookup = boundLookup(options);
  const tokens = serviceAccountTokens({ keys, issuer, audiences, lookup, clock, random });
  const serverUrl = `https://127.0.0.1:${settings.apiPort}`;
  const builtIn = [...coreKinds, ...viewKinds, ...servingKinds];
  const kinds = await CustomResources.open({ store, builtIn, clock, log, signal });
  const resolve = serviceResolver(store);
  const caller = webhookCaller({ clock, resolve, ownPorts: ownPorts(settings) });
  const convert = webhookConverter({ caller, random, signal });
  const webhooks = webhookAdmission({ store, kinds, convert, caller, random, log, signal });
  const client = inProcess(() => server);
  const server = createApiServer({
    ...options,
    kinds,
    meter: new RequestMeter(options.measured, clock),
    authorizer,
    convert,
    connections: [...options.connections, tokenRequest({ tokens, audiences, lookup, clock })],
    services: { range: options.serviceRange, reserved: options.reserved },
    routes: [
      ...discoveryRoutes(() => kinds.current()),
      ...openApiRoutes(() => kinds.current()),
      ...healthRoutes(options.readiness),
      versionRoute({ version: packageVersion(), architecture: process.arch }),
      ...oidcRoutes({ keys, issuer, serverUrl }),
      ...tokenRoutes({ tokens, clock }),
      ...accessReviewRoutes({ authorizer, objects: rbac }),
      ...metricsRoutes(options.metrics, clock),
      prometheusRoute(() => prometheusText(options.measured, resourceOf('control'))),
    ],
    admission: [
      serviceAccountVolume(store),
      endpointAddresses,
      webhooks,
      limitRanger(store),
      rbacEscalation(escalationCheck(rbac, authorizer)),
      resourceQuotas(store, kinds),
      templateTrial(async (pod) => await client.create(Pod, pod, { dryRun: true })),
    ],
  });
  const stack = new AsyncDisposableStack();
  stack.use(caller);
  return {
    kinds,
    authority: pki.authority,
    certificate: async (file, names) => await pki.service(file, names),
    client,
    async serve() {
      const authenticated = withImpersonation(authenticator(tokens), authorizer);
      const served = { ...options, pki, server, authenticator: authenticated };
      const renew = await openListeners(served, stack);
      await writeKubeconfigs(options, pki, serverUrl);
      void renewDaily(options, async () => {
        await renew();
        await writeKubeconfigs(options, pki, serverUrl);
      });
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

/** As the platform itself; the server may come later than whoever will ask it. */
function inProcess(server: () => ApiServer): Client {
  return createClient((request) => server().handle({ ...request, user: platformUser }));
}

/** Certificates are made anew two months before they end (pki.ts); a platform that runs for years meets that day too. */
const RENEW_MS = 24 * 60 * 60 * 1000;

async function renewDaily(
  { clock, log, signal }: Pick<ApiOptions, 'clock' | 'log' | 'signal'>,
  renew: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await sleep(clock, RENEW_MS, signal);
      await renew();
    } catch (error) {
      if (!signal.aborted) log.error('certificates cannot be renewed', { error });
    }
  }
}

/**
 * One on each address that may reach the API, with a certificate for all its names; `stack` owns them. What is returned
 * looks at the certificate again, and gives listeners the one there is now.
 */
async function openListeners(
  options: ApiOptions &
    Pick<ListenOptions, 'server' | 'authenticator'> & {
      readonly pki: Pki;
    },
  stack: AsyncDisposableStack,
): Promise<() => Promise<void>> {
  const { settings, pki, podFacing } = options;
  const addresses = [options.apiService, podFacing, ...settings.listen];
  const names = serverNames({ clusterDomain: CLUSTER_DOMAIN, addresses });
  const currentTls = async (): Promise<ListenOptions['tls']> => {
    const { certificate: cert, key } = await pki.server(names);
    return { cert, key, ca: pki.authority };
  };
  const tls = await currentTls();
  const listeners: Listener[] = [];
  for (const host of ['127.0.0.1', '::1', podFacing, ...settings.listen]) {
    listeners.push(stack.use(await listen({ ...options, tls, host, port: settings.apiPort })));
  }
  return async () => {
    const renewed = await currentTls();
    for (const listener of listeners) listener.renew(renewed);
  };
}

const RBAC_KINDS = [Role, RoleBinding, ClusterRole, ClusterRoleBinding];

/** Nobody gives others more than they have themselves. */
function rbacEscalation(escalation: ReturnType<typeof escalationCheck>): AdmissionStep {
  return {
    handles: (kind) =>
      RBAC_KINDS.some(({ group, plural }) => group === kind.group && plural === kind.plural),
    async admit(object, { user, previous }) {
      // handles() let only the four RBAC kinds come here.
      const write = { user, object: object as RbacObject };
      await escalation(previous ? { ...write, previous: previous as RbacObject } : write);
      return undefined;
    },
  };
}

function rbacPrefixes(): Record<RbacObject['kind'], string> {
  return Object.fromEntries(RBAC_KINDS.map((kind) => [kind.kind, prefixOf(kind, undefined)]));
}

/** The administrator's, and the gateway's, which may do little. */
async function writeKubeconfigs({ settings }: ApiOptions, pki: Pki, server: string): Promise<void> {
  const { authority } = pki;
  const paths = pathsOf(settings.home);
  const admin = await pki.client('admin', {
    commonName: 'knode-admin',
    organizations: ['system:masters'],
  });
  const gateway = await pki.client('gateway', { commonName: GATEWAY_USER });
  await writeFileAtomic(paths.kubeconfig, kubeconfigText({ server, authority, client: admin }));
  await writeFileAtomic(
    paths.gatewayKubeconfig,
    kubeconfigText({ server, authority, client: gateway }),
  );
}

/** No webhook is behind any of them. */
function ownPorts(settings: ApiOptions['settings']): Set<number> {
  const { apiPort, httpPort, httpsPort, registryPort } = settings;
  return new Set([apiPort, httpPort, httpsPort, registryPort, ...Object.values(GATEWAY_PORTS)]);
}

/** A Service by its ClusterIP, which the node's own network leads to a pod. */
function serviceResolver(store: Store): ServiceResolver {
  return async ({ namespace, name, port }) => {
    const entry = await store.get(keyOf(Service, namespace, name));
    const host = entry && objectOf<Service>(entry).spec?.clusterIP;
    return host && host !== 'None' ? { host, port } : undefined;
  };
}

/** As long after its end an object's tokens still count, as in Kubernetes: for clocks that differ. */
const DELETED_LEEWAY_MS = 60_000;

function boundLookup({ store, clock }: ApiOptions): BoundLookup {
  const bindable = { ServiceAccount, Pod, Secret, Node };
  return async ({ kind, namespace, name }) => {
    const entry = await store.get(keyOf(bindable[kind], namespace, name));
    if (!entry) return undefined;
    const { metadata, spec = {} } = objectOf<KubeObject & Pick<Pod, 'spec'>>(entry);
    const { uid = '', deletionTimestamp } = metadata;
    const endMs = deletionTimestamp === undefined ? Infinity : Date.parse(deletionTimestamp);
    if (endMs + DELETED_LEEWAY_MS < clock.now().getTime()) return undefined;
    if (kind !== 'Pod') return { uid };
    const { serviceAccountName = 'default', nodeName } = spec as Partial<PodSpec>;
    return { uid, serviceAccountName, ...(nodeName !== undefined && { nodeName }) };
  };
}
