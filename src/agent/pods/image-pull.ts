import { backoffMs } from '#base/backoff.ts';
import { sleep } from '#base/clock.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { ImageError, type Image } from '#images/image.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { pullCredentials } from '#agent/pods/pull-secrets.ts';

/** Kubernetes' figures: 10 s, doubled to 5 minutes. */
const PULL_RETRY = { firstMs: 10_000, maxMs: 300_000, jitter: 0.1 };
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
    readonly parts: Pick<AgentParts, 'client' | 'images' | 'clock' | 'random'>;
    /** Whose pull secrets open the registry. */
    readonly pod: Pod;
    readonly waiting: (reason: string, message: string) => void;
    /** Told what `kubectl describe` shows of it. */
    readonly says?: SaysEvent;
    readonly signal: AbortSignal;
  },
): Promise<Image> {
  const { clock, random } = parts;
  const reference = container.image ?? '';
  for (let attempt = 1; ; attempt += 1) {
    const problem = await attemptPull(container, { parts, pod, says, signal });
    if (!(problem instanceof ImagePullProblem)) return problem;
    waiting(problem.reason, problem.message);
    const isPull = problem.reason === 'ErrImagePull';
    if (isPull)
      says('Warning', 'Failed', `Failed to pull image "${reference}": ${problem.message}`);
    says(
      'Warning',
      isPull ? 'Failed' : problem.reason,
      isPull ? 'Error: ErrImagePull' : problem.message,
    );
    const delayMs = backoffMs(PULL_RETRY, attempt, random);
    await sleep(clock, SHOWN_MS, signal);
    if (isPull) {
      says('Normal', 'BackOff', `Back-off pulling image "${reference}"`);
      waiting('ImagePullBackOff', `Back-off pulling image "${reference}": ${problem.message}`);
    }
    await sleep(clock, delayMs - SHOWN_MS, signal);
  }
}

type SaysEvent = (type: 'Normal' | 'Warning', reason: string, message: string) => void;

class ImagePullProblem {
  readonly reason: string;
  readonly message: string;
  constructor(reason: string, message: string) {
    this.reason = reason;
    this.message = message;
  }
}

async function attemptPull(
  { image: reference = '', imagePullPolicy = 'IfNotPresent' }: Container,
  {
    parts: { client, images, clock },
    pod: { metadata, spec },
    says,
    signal,
  }: {
    parts: Pick<AgentParts, 'client' | 'images' | 'clock'>;
    pod: Pod;
    says: SaysEvent;
    signal: AbortSignal;
  },
): Promise<Image | ImagePullProblem> {
  try {
    const present = imagePullPolicy === 'Always' ? undefined : await images.find(reference);
    if (present) {
      says('Normal', 'Pulled', `Container image "${reference}" already present on machine`);
      return present;
    }
    if (imagePullPolicy === 'Never') {
      const message = `Container image "${reference}" is not present with pull policy of Never`;
      return new ImagePullProblem('ErrImageNeverPull', message);
    }
    const puller = { ...spec, namespace: metadata.namespace ?? '' };
    const credentials = await pullCredentials(client, puller, reference);
    says('Normal', 'Pulling', `Pulling image "${reference}"`);
    const beganMs = clock.monotonicMs();
    const image = await images.pull(reference, { credentials, signal });
    const took = duration(clock.monotonicMs() - beganMs);
    says('Normal', 'Pulled', `Successfully pulled image "${reference}" in ${took}`);
    return image;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return new ImagePullProblem('ErrImagePull', error.message);
  }
}

/** As Go writes one: `850ms`, `2.5s`. */
function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(1)}s`;
}
