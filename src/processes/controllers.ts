import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { ChallengeResponder } from '#acme/challenge-responder.ts';
import { systemRandom } from '#base/random.ts';
import { CustomResourceDefinition } from '#api/apiextensions-v1/custom-resource-definition.ts';
import { crdOf } from '#api/apiextensions-v1/crd-of.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { Service } from '#api/core-v1/service.ts';
import type { Kind } from '#api/kind.ts';
import { servingKinds } from '#api/kinds.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { pullCredentials } from '#agent/pods/pull-secrets.ts';
import { startAutoscaler } from '#autoscaler/autoscaler.ts';
import type { Client, Selection } from '#client/client.ts';
import { Informers } from '#client/informers.ts';
import { followSettings, LiveSettings } from '#client/live-settings.ts';
import { servingControllers } from '#controllers/serving/serving-controllers.ts';
import { servingDefaults } from '#controllers/serving/serving-config.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import { parseReference, repositoryOf } from '#images/reference.ts';
import { RegistriesFile } from '#images/distribution/registries-file.ts';
import { becomeLeader } from '#reconcile/leader-election.ts';
import { runControllers } from '#reconcile/run-controllers.ts';
import { pathsOf, registriesFileOf } from '#supervisor/settings.ts';
import { foreignOf, kubeconfigClient } from './foreign-client.ts';
import { followLogLevel } from './log-level.ts';
import { parsePartFlags, type ForeignCluster } from './part-flags.ts';
import {
  ensureConfigMaps,
  ensurePlatformServices,
  GATEWAY_PORTS,
  GATEWAY_SERVICES,
  gatewayServices,
  SYSTEM_NAMESPACE,
} from './platform-services.ts';
import { runPart, type PartContext } from './run-part.ts';
import { clusterAddresses, openMetrics, tellMetrics } from './telling.ts';

/** `knode run controllers`: Serving and its autoscaler for a Kubernetes that is not ours. Of several one leads. */
export async function runControllersPart(home: string, args: readonly string[]): Promise<void> {
  await runPart('controllers', parsePartFlags(home, args), startPart);
}

/** Ready when it waits to lead: another may be doing the work. */
async function startPart(context: PartContext): Promise<AsyncDisposable> {
  const foreign = foreignOf('controllers', context);
  // No supervisor may have made it: for the measurement channel.
  await mkdir(pathsOf(context.settings.home).run, { recursive: true, mode: 0o700 });
  await using resources = new AsyncDisposableStack();
  const client = kubeconfigClient(foreign.kubeconfig, resources);
  await ensureDefinitions(client, foreign);
  context.done('definitions');
  const leading = lead(context, client, foreign).catch((error: unknown) => {
    if (!context.signal.aborted) context.fail(error);
    return undefined;
  });
  resources.defer(async () => await (await leading)?.[Symbol.asyncDispose]());
  return resources.move();
}

async function lead(
  context: PartContext,
  client: Client,
  foreign: ForeignCluster,
): Promise<AsyncDisposable> {
  const { clock, log, signal } = context;
  const parts = { client, clock, random: systemRandom, log, signal };
  await using resources = new AsyncDisposableStack();
  const live = new LiveSettings();
  resources.use(await followSettings(live, parts));
  followLogLevel(context, { live, component: 'controller' });
  const leadership = resources.use(
    await becomeLeader({
      ...parts,
      lease: { namespace: SYSTEM_NAMESPACE, name: 'controllers' },
      identity: `${hostname()}_${systemRandom.uuid()}`,
      times: () => live.current()['leader-election'],
    }),
  );
  log.info('leads');
  leadership.lost.addEventListener('abort', () => context.fail(leadership.lost.reason));
  const metrics = openMetrics();
  const autoscaler = resources.use(
    await startAutoscaler({
      socketPath: pathsOf(context.settings.home).measurementSocket,
      metrics,
      clock,
      log,
    }),
  );
  const controllers = servingControllers({
    config: {
      ...servingDefaults,
      publicPort: context.settings.httpPort,
      publicHttpsPort: context.settings.httpsPort,
      challenges: resources.use(new ChallengeResponder(foreign.address)),
      backend: { address: foreign.address, port: GATEWAY_PORTS.backend },
      settings: live.current,
      drain: { address: await drainAddress(client), port: 80 },
    },
    live,
    autoscaler,
    resolveDigest: digestResolver(context, client),
    clock,
    metrics,
  });
  const informers = resources.use(new Informers({ ...parts, selectionOf: watchedOf }));
  const addressOf = clusterAddresses(informers);
  resources.use(
    tellMetrics({ ...context, part: 'controllers', keys: 'metrics', metrics, live, addressOf }),
  );
  resources.use(await runControllers({ ...parts, informers, controllers, metrics }));
  return resources.move();
}

/** A cluster may have many pods and Secrets that are none of ours; Serving's controllers look none up by its name in memory. */
function watchedOf(kind: Kind): Selection | undefined {
  if (kind.kind === Pod.kind) return { labelSelector: servingKeys.revision };
  if (kind.kind === Secret.kind) return { labelSelector: networkingKeys.certificateUid };
  return undefined;
}

/**
 * A kubelet does not know the cluster's names, so it is told the ClusterIP of the gateway's Service, which stays when the
 * gateway moves: what pods are made from must not change with that.
 */
async function drainAddress(client: Client): Promise<string> {
  const ref = { namespace: SYSTEM_NAMESPACE, name: GATEWAY_SERVICES.private };
  const address = (await client.get(Service, ref))?.spec?.clusterIP;
  if (address) return address;
  throw new Error(
    `Cannot let pods be drained: Service ${ref.namespace}/${ref.name} has no ClusterIP, by which nodes reach the gateway`,
  );
}

/** Asks the registry itself: which images nodes have is theirs to know. */
function digestResolver(
  { settings, clock }: PartContext,
  client: Client,
): Parameters<typeof servingControllers>[0]['resolveDigest'] {
  const registries = new RegistriesFile(registriesFileOf(settings.home));
  const distribution = new DistributionClient({
    clock,
    random: systemRandom,
    registries: () => registries.current(),
  });
  return async (image, { metadata, spec }, signal) => {
    const reference = parseReference(image);
    const puller = { ...spec, namespace: metadata.namespace ?? '' };
    const { credentials } = await pullCredentials(client, puller, image);
    const digest = await distribution.resolve(reference, { credentials, signal });
    return `${repositoryOf(reference)}@${digest}`;
  };
}

/** What the cluster must know before anybody writes: our kinds, and where the gateway is. */
async function ensureDefinitions(client: Client, { address }: ForeignCluster): Promise<void> {
  for (const kind of servingKinds) await client.apply(CustomResourceDefinition, crdOf(kind));
  await client.apply(Namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: SYSTEM_NAMESPACE },
  });
  await ensureConfigMaps(client);
  await ensurePlatformServices(client, gatewayServices, address);
}
