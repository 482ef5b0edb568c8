import { readFileSync } from 'node:fs';
import { writeFileAtomic } from '#base/atomic-file.ts';
import type { Random } from '#base/random.ts';
import { coreKinds, servingKinds, viewKinds } from '#api/kinds.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { Service } from '#api/core-v1/service.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac-v1/cluster-role-binding.ts';
import { Role } from '#api/rbac-v1/role.ts';
import { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import type { ServedKinds } from '#api/served-kinds.ts';
import { createApiServer, type ApiServerOptions } from '#apiserver/api-server.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { limitRanger } from '#apiserver/admission/limit-ranger.ts';
import { serviceAccountVolume } from '#apiserver/admission/service-account-volume.ts';
import { resourceQuotas } from '#apiserver/admission/resource-quotas.ts';
import { authenticator } from '#apiserver/authentication/authenticator.ts';
import { withImpersonation } from '#apiserver/authentication/impersonation.ts';
import { oidcRoutes } from '#apiserver/authentication/oidc-routes.ts';
import {
  serviceAccountTokens,
  type UidLookup,
} from '#apiserver/authentication/service-account-tokens.ts';
import { tokenKey } from '#apiserver/authentication/token-key.ts';
import { tokenRoutes } from '#apiserver/authentication/token-routes.ts';
import { accessReviewRoutes } from '#apiserver/authorization/access-reviews.ts';
import { GATEWAY_USER } from '#apiserver/authorization/bootstrap-roles.ts';
import { escalationCheck } from '#apiserver/authorization/escalation.ts';
import { followRbac } from '#apiserver/authorization/follow-rbac.ts';
import { rbacAuthorizer } from '#apiserver/authorization/rbac.ts';
import { RbacObjects, type RbacObject } from '#apiserver/authorization/rbac-objects.ts';
import { CustomResources } from '#apiserver/custom-resources/custom-resources.ts';
import { discoveryRoutes } from '#apiserver/discovery/discovery-routes.ts';
import { healthRoutes } from '#apiserver/discovery/health-routes.ts';
import { versionRoute } from '#apiserver/discovery/version-route.ts';
import { openApiRoutes } from '#apiserver/openapi/openapi-routes.ts';
import { metricsRoutes, type MetricsReader } from '#apiserver/metrics/metrics-routes.ts';
import { kubeconfigText } from '#apiserver/pki/kubeconfig.ts';
import { openPki } from '#apiserver/pki/pki.ts';
import { serverNames } from '#apiserver/pki/server-names.ts';
import { listen, type ListenOptions } from '#apiserver/server.ts';
import { webhookAdmission } from '#apiserver/webhooks/webhook-admission.ts';
import { webhookCaller, type ServiceResolver } from '#apiserver/webhooks/webhook-call.ts';
import { keyOf, objectOf, prefixOf } from '#apiserver/stored-object.ts';
import { platformUser } from '#apiserver/user.ts';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import type { Store } from '#store/store.ts';
import { pathsOf } from '#supervisor/settings.ts';
import { CLUSTER_DOMAIN } from './cluster-objects.ts';
import type { PartContext } from './run-part.ts';

export interface ApiOptions extends PartContext {
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
}

export interface Api extends AsyncDisposable {
  /** All that is served, custom resources included. */
  readonly kinds: ServedKinds;
  /** In process, as the platform itself. */
  readonly client: Client;
  /** PEM: by which everybody knows this API. */
  readonly authority: string;
  /** Opens the listeners, and writes the kubeconfigs that lead to them. */
  serve(): Promise<void>;
}

/** The API server with everything around it: certificates, tokens, roles, discovery, listeners. */
export async function openApi(options: ApiOptions): Promise<Api> {
  const { store, settings, clock, random, log, signal } = options;
  const pki = await openPki({ home: settings.home, clock });
  const rbac = new RbacObjects();
  await followRbac(rbac, { store, clock, log, signal, prefixes: rbacPrefixes() });
  const authorizer = rbacAuthorizer(rbac);
  const key = tokenKey(await pki.tokenKey());
  const issuer = `https://kubernetes.default.svc.${CLUSTER_DOMAIN}`;
  const audiences = [issuer] as const;
  const uidOf = uidLookup(store);
  const tokens = serviceAccountTokens({ key, issuer, audiences, uidOf, clock, random });
  const serverUrl = `https://127.0.0.1:${settings.apiPort}`;
  const builtIn = [...coreKinds, ...viewKinds, ...servingKinds];
  const kinds = await CustomResources.open({ store, builtIn, clock, log, signal });
  const caller = webhookCaller({ clock, resolve: serviceResolver(store) });
  const webhooks = webhookAdmission({ store, caller, random, log, signal });
  const server = createApiServer({
    ...options,
    kinds,
    authorizer,
    services: { range: options.serviceRange, reserved: options.reserved },
    routes: [
      ...discoveryRoutes(() => kinds.current()),
      ...openApiRoutes(() => kinds.current()),
      ...healthRoutes(options.readiness),
      versionRoute({ version: packageVersion(), architecture: process.arch }),
      ...oidcRoutes({ key, issuer, serverUrl }),
      ...tokenRoutes({ tokens, audiences, uidOf, clock }),
      ...accessReviewRoutes({ authorizer, objects: rbac }),
      ...metricsRoutes(options.metrics, clock),
    ],
    admission: [
      serviceAccountVolume(store),
      webhooks,
      limitRanger(store),
      rbacEscalation(escalationCheck(rbac, authorizer)),
      resourceQuotas(store, kinds),
    ],
  });
  const stack = new AsyncDisposableStack();
  stack.use(caller);
  return {
    kinds,
    authority: pki.authority,
    client: createClient((request) => server.handle({ ...request, user: platformUser })),
    async serve() {
      const authenticated = withImpersonation(authenticator(tokens), authorizer);
      await openListeners({ ...options, pki, server, authenticator: authenticated }, stack);
      await writeKubeconfigs(options, pki, serverUrl);
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

/** One on each address that may reach the API, with a certificate for all its names; `stack` owns them. */
async function openListeners(
  options: ApiOptions &
    Pick<ListenOptions, 'server' | 'authenticator'> & {
      readonly pki: Awaited<ReturnType<typeof openPki>>;
    },
  stack: AsyncDisposableStack,
): Promise<void> {
  const { settings, pki, podFacing } = options;
  const addresses = [options.apiService, podFacing, ...settings.listen];
  const names = serverNames({ clusterDomain: CLUSTER_DOMAIN, addresses });
  const { certificate: cert, key } = await pki.server(names);
  const tls = { cert, key, ca: pki.authority };
  for (const host of ['127.0.0.1', '::1', podFacing, ...settings.listen]) {
    stack.use(await listen({ ...options, tls, host, port: settings.apiPort }));
  }
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
async function writeKubeconfigs(
  { settings }: ApiOptions,
  pki: Awaited<ReturnType<typeof openPki>>,
  server: string,
): Promise<void> {
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

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** A Service by its ClusterIP, which the node's own network leads to a pod. */
function serviceResolver(store: Store): ServiceResolver {
  return async ({ namespace, name, port }) => {
    const entry = await store.get(keyOf(Service, namespace, name));
    const host = entry && objectOf<Service>(entry).spec?.clusterIP;
    return host && host !== 'None' ? { host, port } : undefined;
  };
}

function uidLookup(store: Store): UidLookup {
  const bindable = { ServiceAccount, Pod, Secret };
  return async ({ kind, namespace, name }) => {
    const entry = await store.get(keyOf(bindable[kind], namespace, name));
    return entry && objectOf(entry).metadata.uid;
  };
}
