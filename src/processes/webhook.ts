import { systemRandom } from '#base/random.ts';
import { MutatingWebhookConfiguration } from '#api/admissionregistration-v1/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { servingKinds } from '#api/kinds.ts';
import { followSettings, LiveSettings } from '#client/live-settings.ts';
import { openPki } from '#apiserver/pki/pki.ts';
import { ReviewMeter } from '#webhook/review-meter.ts';
import { webhookConfigurations } from '#webhook/webhook-configurations.ts';
import { startWebhookServer } from '#webhook/webhook-server.ts';
import { foreignOf, kubeconfigClient } from './foreign-client.ts';
import { followLogLevel } from './log-level.ts';
import { parsePartFlags } from './part-flags.ts';
import { runPart, type PartContext } from './run-part.ts';
import { openMetrics, tellMetrics } from './telling.ts';

/** `knode run webhook`: defaults and validates our kinds for a Kubernetes that is not ours. */
export async function runWebhook(home: string, args: readonly string[]): Promise<void> {
  await runPart('webhook', parsePartFlags(home, args), startWebhook);
}

/** Listens before the cluster is told to ask: from then on it refuses writes that nobody answers for. */
async function startWebhook(context: PartContext): Promise<AsyncDisposable> {
  const { settings, clock, log, signal, done } = context;
  const foreign = foreignOf('webhook', context);
  await using resources = new AsyncDisposableStack();
  const client = kubeconfigClient(foreign.kubeconfig, resources);
  const live = new LiveSettings();
  const following = { client, clock, random: systemRandom, log, signal };
  resources.use(await followSettings(live, following));
  followLogLevel(context, { live, component: 'webhook' });
  const metrics = openMetrics();
  const telling = { ...context, part: 'webhook', metrics, live, addressOf: () => undefined };
  resources.use(tellMetrics({ ...telling, keys: 'webhook-metrics' }));
  const pki = await openPki({ home: settings.home, clock });
  const { certificate, key } = await pki.service('webhook', [foreign.address]);
  const server = resources.use(
    await startWebhookServer({
      kinds: servingKinds,
      serving: live.current,
      meter: new ReviewMeter(metrics, clock),
      tryPod: async (pod) => await client.create(Pod, pod, { dryRun: true }),
      certificate,
      key,
      host: foreign.address,
      port: foreign.webhookPort,
      log,
    }),
  );
  done('server');
  const url = `https://${foreign.address}:${server.port}`;
  const [mutating, ...validating] = webhookConfigurations(servingKinds, {
    url,
    authority: pki.authority,
  });
  await client.apply(MutatingWebhookConfiguration, mutating);
  for (const each of validating) await client.apply(ValidatingWebhookConfiguration, each);
  done('configurations');
  return resources.move();
}
