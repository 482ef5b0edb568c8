import path from 'node:path';
import { mkdirSync } from 'node:fs';
import { systemRandom } from '#base/random.ts';
import { startAgent } from '#agent/agent.ts';
import { ensureRanges } from '#agent/network/ranges.ts';
import { coreKinds, servingKinds } from '#api/kinds.ts';
import { startAutoscaler } from '#autoscaler/autoscaler.ts';
import { deploymentController } from '#controllers/core/deployment/deployment-controller.ts';
import { endpointSliceController } from '#controllers/core/endpoint-slice/endpoint-slice-controller.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { namespaceController } from '#controllers/core/namespace/namespace-controller.ts';
import { podBindingController } from '#controllers/core/pod-binding/pod-binding-controller.ts';
import { replicaSetController } from '#controllers/core/replica-set/replica-set-controller.ts';
import { rootCaController } from '#controllers/core/service-account/root-ca-controller.ts';
import { serviceAccountController } from '#controllers/core/service-account/service-account-controller.ts';
import { servingControllers } from '#controllers/serving/serving-controllers.ts';
import { servingDefaults } from '#controllers/serving/serving-config.ts';
import { ContentStore } from '#images/content-store.ts';
import { DistributionClient } from '#images/distribution-client.ts';
import { openImages, type LocalImages } from '#images/images.ts';
import { platformOf } from '#images/manifest.ts';
import { startRegistry } from '#images/registry/registry.ts';
import { runControllers } from '#reconcile/run-controllers.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { instanceOf, networkFileOf, pathsOf } from '#supervisor/settings.ts';
import { openApi, type Api } from './api.ts';
import { ensureClusterObjects, GATEWAY_PORTS } from './cluster-objects.ts';
import { parsePartFlags } from './part-flags.ts';
import { runPart, type PartContext } from './run-part.ts';

/** `knode run control`: the API, the controllers, the autoscaler, the agent and the registry. */
export async function runControl(home: string, args: readonly string[]): Promise<void> {
  await runPart('control', parsePartFlags(home, args), startControl);
}

async function startControl(context: PartContext): Promise<AsyncDisposable> {
  const { settings, clock, log, signal } = context;
  const random = systemRandom;
  const parts = { clock, random, log };
  const paths = pathsOf(settings.home);
  const instance = instanceOf(settings.home);
  const ranges = await ensureRanges(networkFileOf(settings.home), instance);
  const apiService = addressIn(ranges.services, 1);
  const dnsService = addressIn(ranges.services, 10);
  await using resources = new AsyncDisposableStack();

  const store = resources.use(await openSqliteStore({ folder: path.join(settings.home, 'store') }));
  const pending = new Set(['bootstrap', 'controllers', 'agent']);
  const late: { agent?: Agent } = {};
  const api = resources.use(
    await openApi({
      ...{ ...context, store, random, apiService },
      serviceRange: ranges.services,
      reserved: [apiService, dnsService],
      podFacing: ranges.podFacing,
      readiness: () => [...pending],
      connections: [podLogs(late)],
      generateName: (kind, object) => late.agent?.reservedName(kind, object),
    }),
  );
  const { client } = api;
  await ensureClusterObjects(client, {
    ...{ podFacing: ranges.podFacing, apiPort: settings.apiPort, apiService, dnsService },
  });
  pending.delete('bootstrap');
  return resources.move();
}
