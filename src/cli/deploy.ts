import path from 'node:path';
import { Service } from '#api/serving-v1/service.ts';
import { buildSource } from './build-source.ts';
import { connect } from './cluster.ts';
import type { Invocation } from './invocation.ts';
import { ownCredentials } from './node-images.ts';
import { runningSettings } from './running-settings.ts';
import { untilReady } from './service-ready.ts';
import { print, step, UserError } from './terminal.ts';

export interface DeployFlags {
  readonly image?: string;
  /** A program's folder, to be built into an image; instead of `image`. */
  readonly source?: string;
  /** The image that the folder's program is put on; this machine's own Node or Python unless told. */
  readonly base?: string;
  readonly env: readonly string[];
  readonly port?: number;
  readonly annotation: readonly string[];
  readonly namespace: string;
  readonly wait: boolean;
}

const READY_MS = 600_000;
const BUILD_MS_MAX = 60 * 60_000;

export async function deploy(
  invocation: Invocation,
  name: string,
  flags: DeployFlags,
): Promise<void> {
  const image = await imageOf(invocation, name, flags);
  await using cluster = connect(invocation);
  const { client } = cluster;
  await client.apply(Service, desiredService(name, { ...flags, image }));
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

async function imageOf(
  invocation: Invocation,
  name: string,
  { image, source, base, namespace }: DeployFlags,
): Promise<string> {
  if (source === undefined) {
    if (base !== undefined)
      throw new UserError('Cannot use --base alone: name the folder to put on it with --source');
    if (image !== undefined) return image;
    throw new UserError(
      'Cannot deploy nothing: name an image with --image or a folder with --source',
    );
  }
  const { registryPort } = runningSettings(invocation);
  const built = await step(
    `${source} is built and pushed`,
    async (update) =>
      await buildSource({
        home: invocation.home,
        source: path.resolve(source),
        reference: `127.0.0.1:${registryPort}/${namespace}/${name}:latest`,
        ...(base !== undefined && {
          base: { reference: base, credentials: ownCredentials(invocation, base) },
        }),
        onProgress: update,
        signal: AbortSignal.timeout(BUILD_MS_MAX),
      }),
    ({ reference }) => reference.slice(0, reference.indexOf('@sha256:') + 20),
  );
  return built.reference;
}

function desiredService(name: string, flags: DeployFlags & { readonly image: string }): Service {
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
