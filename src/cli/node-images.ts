import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Node } from '#api/core-v1/node.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { credentialsFor, parseDockerConfig } from '#images/distribution/docker-config.ts';
import type { ImageAnswer, ImageRequest } from '#images/image-api.ts';
import type { RegistryCredentials } from '#images/image.ts';
import { parseReference } from '#images/reference.ts';
import { readKubeconfig } from './kubeconfig.ts';
import type { Invocation } from './invocation.ts';
import { UserError } from './terminal.ts';

type Progress = { readonly digest: string; readonly size: number };

/** Asks the platform about the images of its node; `onProgress` is told of each blob that moves. Throws UserError. */
export async function askImages(
  { home }: Invocation,
  request: ImageRequest,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<ImageAnswer> {
  await using transport = httpsTransport(parseKubeconfig(readKubeconfig(home)));
  const [node] = (await createClient(transport.send).list(Node)).items;
  if (!node) throw new UserError('Cannot ask for images: the platform has no node yet');
  const reply = await transport.send({
    method: 'POST',
    target: `/api/v1/nodes/${node.metadata.name}/images`,
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  });
  let last: ImageAnswer | undefined;
  for await (const line of linesOf(reply.body)) {
    // Written by image-api.ts of the same program.
    last = JSON.parse(line) as ImageAnswer;
    if ('progress' in last) onProgress(last.progress);
  }
  if (reply.status !== 200 || !last)
    throw new ApiError(
      'InternalError',
      `images: the platform answered ${reply.status}: ${JSON.stringify(last)}`,
    );
  if ('error' in last) throw new UserError(last.error);
  return last;
}

/** A registry that is very slow still counts. */
const REQUEST_MS_MAX = 24 * 60 * 60_000;

/** What `docker login` and its kin have left for that image. */
export function ownCredentials(
  { environment }: Invocation,
  image: string,
): readonly RegistryCredentials[] {
  const folder =
    environment['DOCKER_CONFIG'] ?? path.join(environment['HOME'] ?? '/root', '.docker');
  let text: string;
  try {
    text = readFileSync(path.join(folder, 'config.json'), 'utf8');
  } catch {
    return []; // Nobody logged in.
  }
  return credentialsFor(parseReference(image), [parseDockerConfig(text)]);
}

async function* linesOf(
  body: string | Uint8Array | AsyncIterable<string | Uint8Array>,
): AsyncGenerator<string> {
  const chunks = typeof body === 'string' || body instanceof Uint8Array ? [body] : body;
  let rest = '';
  for await (const chunk of chunks) {
    rest += Buffer.from(chunk).toString('utf8');
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
