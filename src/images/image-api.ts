import { AsyncQueue } from '#base/async-queue.ts';
import type { HttpReply } from '#base/http-message.ts';
import type { DescribedImage, ImageCollector, Pruned } from './content/image-collector.ts';
import { isDigest } from './digest.ts';
import { ImageError, type RegistryCredentials } from './image.ts';
import type { LocalImages } from './images.ts';
import { recordOf } from './json-value.ts';

/** What a person asks of the images of a node. */
export type ImageRequest =
  | { readonly action: 'list' }
  | {
      readonly action: 'pull';
      readonly image: string;
      readonly credentials: readonly RegistryCredentials[];
    }
  | {
      readonly action: 'push';
      readonly image: string;
      /** The name to push it under. */
      readonly target: string;
      readonly credentials: readonly RegistryCredentials[];
    }
  | { readonly action: 'adopt'; readonly image: string; readonly digest: string }
  | { readonly action: 'remove'; readonly image: string; readonly isForced: boolean }
  | { readonly action: 'prune'; readonly isAll: boolean };

/** One line of the answer; the last one is a result or an error. */
export type ImageAnswer =
  | { readonly progress: { readonly digest: string; readonly size: number } }
  | { readonly error: string }
  | { readonly digest: string }
  | { readonly images: readonly DescribedImage[] }
  | { readonly pruned: Pruned }
  | { readonly done: true };

export interface ImageApiOptions {
  readonly images: LocalImages;
  readonly collector: ImageCollector;
  /** How the built-in registry is named in lists: `127.0.0.1:5000`. */
  readonly builtInHost: string;
}

const BODY_CHARACTERS_MAX = 64 * 1024;
/** An image has at most 127 layers; an index of many images goes over the same lines. */
const ANSWERS_MAX = 10_000;

/** Answers one request with JSON lines, progress first; what goes wrong is the last line. */
export function serveImages(
  options: ImageApiOptions,
  { body, signal }: { readonly body: Uint8Array | string; readonly signal: AbortSignal },
): HttpReply {
  return {
    status: 200,
    headers: { 'content-type': 'application/json-lines' },
    body: linesOf(options, { body, signal }),
  };
}

async function* linesOf(
  options: ImageApiOptions,
  { body, signal }: { readonly body: Uint8Array | string; readonly signal: AbortSignal },
): AsyncGenerator<string> {
  // Who stops reading has lost interest in the work, too.
  const gone = new AbortController();
  const answers = new AsyncQueue<ImageAnswer>(
    ANSWERS_MAX,
    () => new Error('the reader is too slow'),
  );
  const asking = { signal: AbortSignal.any([signal, gone.signal]), answers };
  const working = answerOf(options, body, asking).then(
    (answer) => {
      answers.push(answer);
      answers.end();
    },
    (error: unknown) => {
      if (error instanceof ImageError) answers.push({ error: error.message });
      answers.end(error instanceof ImageError || !(error instanceof Error) ? undefined : error);
    },
  );
  try {
    for await (const answer of answers) yield `${JSON.stringify(answer)}\n`;
  } finally {
    gone.abort();
    await working;
  }
}

async function answerOf(
  { images, collector, builtInHost }: ImageApiOptions,
  body: Uint8Array | string,
  { signal, answers }: { readonly signal: AbortSignal; readonly answers: AsyncQueue<ImageAnswer> },
): Promise<ImageAnswer> {
  const request = parseRequest(body);
  const onProgress = (progress: { digest: string; size: number }): void =>
    void answers.push({ progress: { digest: progress.digest, size: progress.size } });
  switch (request.action) {
    case 'list':
      return { images: await collector.list(builtInHost) };
    case 'pull': {
      const { credentials } = request;
      return {
        digest: (await images.pull(request.image, { credentials, onProgress, signal })).digest,
      };
    }
    case 'push': {
      const { credentials, target } = request;
      const access = { credentials, onProgress, signal };
      return { digest: await images.push(request.image, target, access) };
    }
    case 'adopt':
      if (!isDigest(request.digest)) throw invalid('digest: wanted sha256: and 64 hex digits');
      await images.adopt(request.image, request.digest);
      return { digest: request.digest };
    case 'remove':
      await collector.remove(request.image, request);
      return { done: true };
    case 'prune':
      return { pruned: await collector.prune({ isAll: request.isAll, signal }) };
  }
}

function parseRequest(body: Uint8Array | string): ImageRequest {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
  if (text.length > BODY_CHARACTERS_MAX) throw invalid('it is too long');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Without the parser's own words: they may quote a password.
    throw invalid('it is not JSON');
  }
  const { action, ...fields } = recordOf(json) ?? {};
  const textOf = (name: string): string => {
    const value = fields[name];
    if (typeof value === 'string') return value;
    throw invalid(`${name}: wanted text`);
  };
  const isTrue = (name: string): boolean => fields[name] === true;
  const credentials = credentialsIn(fields['credentials']);
  switch (action) {
    case 'list':
      return { action };
    case 'pull':
      return { action, image: textOf('image'), credentials };
    case 'push':
      return { action, image: textOf('image'), target: textOf('target'), credentials };
    case 'adopt':
      return { action, image: textOf('image'), digest: textOf('digest') };
    case 'remove':
      return { action, image: textOf('image'), isForced: isTrue('isForced') };
    case 'prune':
      return { action, isAll: isTrue('isAll') };
    default:
      throw invalid('action: wanted one of list, pull, push, adopt, remove, prune');
  }
}

function credentialsIn(value: unknown): readonly RegistryCredentials[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item) => {
    const { username, password } = recordOf(item) ?? {};
    return typeof username === 'string' && typeof password === 'string'
      ? [{ username, password }]
      : [];
  });
}

function invalid(why: string): ImageError {
  return new ImageError('Invalid', `image request: ${why}`);
}
