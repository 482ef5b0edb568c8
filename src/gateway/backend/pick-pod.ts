import type { Random } from '#base/random.ts';
import type { Pod } from './pod.ts';

export interface PickState {
  /** Where the round stands; advanced by the round-robin pick. */
  next: number;
}

/**
 * Which of `pods` takes the next request (serving specification §5.2): without a limit the emptier of two drawn ones;
 * with a small one the first that has room, so that few pods are busy and the rest can go; with a larger one in turn.
 * Undefined where none has room.
 */
export function pickPod(
  pods: readonly Pod[],
  { concurrency, state, random }: { concurrency: number; state: PickState; random: Random },
): Pod | undefined {
  if (concurrency === 0) return emptierOfTwo(pods, random);
  if (concurrency <= 3) return pods.find((pod) => pod.inFlight < concurrency);
  for (let step = 0; step < pods.length; step += 1) {
    const index = (state.next + step) % pods.length;
    const pod = pods[index];
    if (pod && pod.inFlight < concurrency) {
      state.next = index + 1;
      return pod;
    }
  }
  return undefined;
}

function emptierOfTwo(pods: readonly Pod[], random: Random): Pod | undefined {
  if (pods.length <= 1) return pods[0];
  const first = Math.floor(random.fraction() * pods.length);
  // Of the others, so that it is never the same one twice.
  const second = (first + 1 + Math.floor(random.fraction() * (pods.length - 1))) % pods.length;
  const [one, other] = [pods[first], pods[second]];
  return one && other && other.inFlight < one.inFlight ? other : one;
}
