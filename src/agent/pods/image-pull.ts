import { backoffMs } from '#base/backoff.ts';
import { sleep } from '#base/clock.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { ImageError, type Image } from '#images/image.ts';
import { parseReference } from '#images/reference.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { pullCredentials } from '#agent/pods/pull-secrets.ts';

/** Kubernetes' figures: 10 s, doubled to 5 minutes. */
const PULL_RETRY = { firstMs: 10_000, maxMs: 300_000, jitter: 0.1 };
/** What no registry can mend is looked at again so often: somebody may load the image. */
const LOOK_AGAIN_MS = 10_000;
/** How long the error itself is shown before the state says that we wait. */
const SHOWN_MS = 1_000;

/**
 * The container's image by its pull policy, however often that has to be tried. `waiting` is told why it takes longer, in
 * Kubernetes' reasons.
 */
export async function pullImage(
  container: Container,
  {
    parts,
    pod,
    waiting,
    says = () => undefined,
    signal,
  }: {
    readonly parts: PullParts;
    /** Whose pull secrets open the registry. */
    readonly pod: Pod;
    readonly waiting: (reason: string, message: string) => void;
    /** Told what `kubectl describe` shows of it. */
    readonly says?: SaysEvent;
    readonly signal: AbortSignal;
  },
): Promise<Image> {
  const { clock, random } = parts;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await attemptPull(container, { parts, pod, says, signal });
    if ('image' in outcome) return outcome.image;
    const { reason, message } = outcome;
    waiting(reason, message);
    says('Warning', ...eventOf(outcome, container.image ?? ''));
    says('Warning', 'Failed', `Error: ${reason}`);
    await sleep(clock, SHOWN_MS, signal);
    if (reason !== 'ErrImagePull') {
      await sleep(clock, LOOK_AGAIN_MS - SHOWN_MS, signal);
      continue;
    }
    const backOff = `Back-off pulling image "${container.image}"`;
    says('Normal', 'BackOff', backOff);
    says('Warning', 'Failed', 'Error: ImagePullBackOff');
    waiting('ImagePullBackOff', `${backOff}: ${reason}: ${message}`);
    await sleep(clock, backoffMs(PULL_RETRY, attempt, random) - SHOWN_MS, signal);
  }
}

type SaysEvent = (type: 'Normal' | 'Warning', reason: string, message: string) => void;
type PullParts = Pick<AgentParts, 'client' | 'images' | 'clock' | 'random'>;

interface ImagePullProblem {
  readonly reason: 'ErrImagePull' | 'ErrImageNeverPull' | 'InvalidImageName';
  readonly message: string;
}

/** What is told of a problem before its reason is. */
function eventOf(
  { reason, message }: ImagePullProblem,
  reference: string,
): readonly [reason: string, message: string] {
  if (reason === 'InvalidImageName') return ['InspectFailed', message];
  if (reason === 'ErrImageNeverPull') return [reason, message];
  return ['Failed', `Failed to pull image "${reference}": ${message}`];
}

async function attemptPull(
  { image: reference = '', imagePullPolicy = 'IfNotPresent' }: Container,
  {
    parts: { client, images, clock },
    pod: { metadata, spec },
    says,
    signal,
  }: {
    parts: PullParts;
    pod: Pod;
    says: SaysEvent;
    signal: AbortSignal;
  },
): Promise<{ readonly image: Image } | ImagePullProblem> {
  const why = whyInvalid(reference);
  if (why !== undefined) return { reason: 'InvalidImageName', message: why };
  try {
    const present = imagePullPolicy === 'Always' ? undefined : await images.find(reference);
    if (present) {
      says('Normal', 'Pulled', `Container image "${reference}" already present on machine`);
      return { image: present };
    }
    if (imagePullPolicy === 'Never') {
      const message = `Container image "${reference}" is not present with pull policy of Never`;
      return { reason: 'ErrImageNeverPull', message };
    }
    const puller = { ...spec, namespace: metadata.namespace ?? '' };
    const { credentials, missing } = await pullCredentials(client, puller, reference);
    if (missing.length > 0)
      says(
        'Warning',
        'FailedToRetrieveImagePullSecret',
        `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`,
      );
    says('Normal', 'Pulling', `Pulling image "${reference}"`);
    const beganMs = clock.monotonicMs();
    const image = await images.pull(reference, { credentials, signal });
    const took = duration(clock.monotonicMs() - beganMs);
    says('Normal', 'Pulled', `Successfully pulled image "${reference}" in ${took}`);
    return { image };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ImageError)) throw error;
    return { reason: 'ErrImagePull', message: error.message };
  }
}

/** In the kubelet's words first: clients match on them. */
function whyInvalid(reference: string): string | undefined {
  try {
    parseReference(reference);
    return undefined;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const name = JSON.stringify(reference);
    return `Failed to apply default image tag ${name}: couldn't parse image name ${name}: invalid reference format (${error.message})`;
  }
}

/** As Go writes one: `850ms`, `2.5s`. */
function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(1)}s`;
}
