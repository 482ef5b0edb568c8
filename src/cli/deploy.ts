import { Service } from '#api/serving-v1/service.ts';
import { connect } from './cluster.ts';
import type { Invocation } from './invocation.ts';
import { untilReady } from './service-ready.ts';
import { print, step, UserError } from './terminal.ts';

export interface DeployFlags {
  readonly image: string;
  readonly env: readonly string[];
  readonly port?: number;
  readonly annotation: readonly string[];
  readonly namespace: string;
  readonly wait: boolean;
}

const READY_MS = 600_000;

export async function deploy(
  invocation: Invocation,
  name: string,
  flags: DeployFlags,
): Promise<void> {
  await using cluster = connect(invocation);
  const { client } = cluster;
  await client.apply(Service, desiredService(name, flags));
  if (!flags.wait) return;
  const service = await step(
    `Service ${name} is ready`,
    async (update) =>
      await untilReady(
        client,
        { namespace: flags.namespace, name },
        { timeoutMs: READY_MS, update },
      ),
    (ready) => ready.status?.latestReadyRevisionName ?? '',
  );
  print(service.status?.url ?? '');
}

function desiredService(name: string, flags: DeployFlags): Service {
  const env = flags.env.map((pair) => {
    const [variable, value] = splitPair(pair, '--env');
    return { name: variable, value };
  });
  const annotations = Object.fromEntries(
    flags.annotation.map((pair) => splitPair(pair, '--annotation')),
  );
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: flags.namespace },
    spec: {
      template: {
        metadata: { annotations },
        spec: {
          containers: [
            {
              image: flags.image,
              env,
              ...(flags.port !== undefined && { ports: [{ containerPort: flags.port }] }),
            },
          ],
        },
      },
    },
  };
}

function splitPair(pair: string, flag: string): [string, string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new UserError(`Cannot read ${flag} ${pair}: wanted NAME=VALUE`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}
