import { Deployment } from '#api/apps-v1/deployment.ts';
import { sleep, systemClock } from '#base/clock.ts';
import { memoryOf, platformProcesses } from './processes.ts';
import type { BenchContext, Figure } from './row.ts';
import { atZero, deploy, startServingBed, until, type ServingBed } from './serving-bed.ts';

export interface MemoryLoad {
  /** After the demo's Service reached zero. */
  readonly restMs: number;
  readonly pods: number;
}

const MEGABYTE = 1024 ** 2;
const NAME = 'many';

/** Megabytes of all that the platform started itself: at rest, and more for each pod that runs. */
export async function measureMemory(
  load: MemoryLoad,
  { progress, resources }: BenchContext,
): Promise<Readonly<Record<'rest' | 'pod', Figure>>> {
  const bed = await startServingBed(resources);
  await deploy(bed, 'hello', bed.programs.node);
  progress('waiting for zero');
  await atZero(bed);
  await sleep(systemClock, load.restMs);
  const rest = ownMegabytes(bed);
  progress(`${load.pods} pods`);
  await runMany(bed, load.pods);
  await sleep(systemClock, load.restMs);
  const busy = ownMegabytes(bed);
  return { rest: { value: rest }, pod: { value: (busy - rest) / load.pods } };
}

function ownMegabytes({ platform }: ServingBed): number {
  return memoryOf(platformProcesses(platform.home).own) / MEGABYTE;
}

async function runMany({ client, programs }: ServingBed, count: number): Promise<void> {
  const labels = { app: NAME };
  const container = {
    name: 'main',
    ...programs.static.container,
    env: [{ name: 'PORT', value: '8080' }],
  };
  await client.create(Deployment, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: NAME, namespace: 'default' },
    spec: {
      replicas: count,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  });
  const ref = { namespace: 'default', name: NAME };
  await until(`${count} pods are ready`, async () => {
    const deployment = await client.get(Deployment, ref);
    return deployment?.status?.readyReplicas === count;
  });
}
