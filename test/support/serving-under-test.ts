import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { ChallengeResponder } from '#acme/challenge-responder.ts';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { startAutoscaler } from '#autoscaler/autoscaler.ts';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { Informers } from '#client/informers.ts';
import { followSettings, LiveSettings } from '#client/live-settings.ts';
import { servingDefaults } from '#controllers/serving/serving-config.ts';
import { servingControllers } from '#controllers/serving/serving-controllers.ts';
import { startGateway } from '#gateway/gateway.ts';
import { runControllers } from '#reconcile/run-controllers.ts';
import { clusterUnderTest, type ClusterUnderTest } from './cluster-under-test.ts';
import { foreignParts } from './foreign-parts.ts';

const resources = new AsyncDisposableStack();
let started: Promise<ClusterUnderTest> | undefined;

// The hook of the file that imports this first; with one process for all files it runs after the last test.
after(async () => await resources.disposeAsync());

/**
 * The cluster under test with Serving's kinds, controllers and gateway: a Kubernetes that is not ours learns the kinds from
 * one process of ours, which runs the controllers too, and what may be written of them from another.
 */
export async function servingUnderTest(): Promise<ClusterUnderTest> {
  started ??= start();
  return await started;
}

/** Of whoever reconciles and whoever carries requests here. */
const ENVIRONMENT = { clock: systemClock, random: systemRandom, log: silentLog };

async function start(): Promise<ClusterUnderTest> {
  const cluster = await clusterUnderTest();
  const { send } = resources.use(httpsTransport(cluster.target));
  const client = createClient(send);
  if (cluster.isReal) {
    const parts = resources.use(await foreignParts(cluster.kubeconfig));
    const controllers = await parts.start('controllers');
    await controllers.heard('leads');
    await parts.start('webhook', '--webhook-port', '0');
    await serveIngresses(client, parts.measurementSocket);
  } else {
    const folder = await mkdtemp(path.join(tmpdir(), 'knode-'));
    resources.defer(async () => await rm(folder, { recursive: true }));
    const socketPath = path.join(folder, 'measurements.sock');
    await reconcile(client, socketPath);
    await serveIngresses(client, socketPath);
  }
  return cluster;
}

/** As control does it; images are named by their digests here, so that none is looked up. */
async function reconcile(client: Client, socketPath: string): Promise<void> {
  const stop = new AbortController();
  const parts = { ...ENVIRONMENT, client, signal: stop.signal };
  const autoscaler = resources.use(await startAutoscaler({ ...parts, socketPath }));
  const live = new LiveSettings();
  resources.use(await followSettings(live, parts));
  const controllers = servingControllers({
    config: {
      ...servingDefaults,
      publicPort: 80,
      publicHttpsPort: 443,
      challenges: resources.use(new ChallengeResponder('127.0.0.1')),
      backend: { address: '192.0.2.1', port: 8012 },
      settings: live.current,
    },
    live,
    autoscaler,
    resolveDigest: (image) => Promise.resolve(image),
    clock: systemClock,
  });
  resources.use(await runControllers({ ...parts, controllers }));
  resources.defer(() => stop.abort());
}

async function serveIngresses(client: Client, measurementSocketPath: string): Promise<void> {
  const stop = new AbortController();
  const informers = resources.use(new Informers({ ...ENVIRONMENT, client, signal: stop.signal }));
  const door = { addresses: ['127.0.0.1'], port: 0, flag: '--port' };
  resources.use(
    await startGateway({
      ...ENVIRONMENT,
      client,
      informers,
      measurementSocketPath,
      doors: { public: door, internal: door, backend: door },
      publicHost: 'gateway.knative-serving.svc.cluster.local',
      privateHost: servingDefaults.privateGateway,
      clusterDomain: servingDefaults.clusterDomain,
    }),
  );
  resources.defer(() => stop.abort());
}
