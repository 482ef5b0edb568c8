import { sleep } from '#base/clock.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { ConfigReader } from '#agent/pods/config-reader.ts';
import { ContainerProblem } from '#agent/pods/container-problem.ts';
import { pullImage } from '#agent/pods/image-pull.ts';
import type { PodEvent } from '#agent/pods/pod-events.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { RuntimeError } from '#agent/runtime/runtime.ts';

export interface MakeOptions {
  readonly parts: AgentParts;
  readonly sandbox: PodSandbox;
  /** The newest object of the pod. */
  readonly pod: () => Pod;
  /** As that has it. */
  readonly container: () => Container;
  /** Aborted when it has another image; another one then. */
  readonly changed: () => AbortSignal;
  readonly waits: (reason: string, message?: string) => void;
  readonly says: (type: PodEvent['type'], reason: string, message: string) => void;
}

/** How often something missing from the configuration is looked for again. */
const CONFIG_RETRY_MS = 2_000;

/** Pulls and creates until there is a container. Throws RuntimeError where there is one that cannot begin. */
export async function makeContainer(options: MakeOptions, signal: AbortSignal): Promise<void> {
  const { parts, sandbox, pod, changed, waits: waiting, says } = options;
  for (;;) {
    const container = options.container();
    const image = await unlessChanged(changed(), signal, (until) =>
      pullImage(container, { parts, pod: pod(), waiting, says, signal: until }),
    );
    if (!image) continue;
    if (!sandbox.container(container.name)) waiting('ContainerCreating');
    try {
      const reader = new ConfigReader(parts.client, pod().metadata.namespace ?? '');
      await sandbox.createContainer(pod(), container, { image, reader });
      says('Normal', 'Created', `Created container: ${container.name}`);
      return;
    } catch (error) {
      if (error instanceof RuntimeError) {
        says('Warning', 'Failed', `Error: ${error.message}`);
        throw error;
      }
      await sandbox.forget(container.name);
      if (!(error instanceof ContainerProblem)) throw error;
      says('Warning', 'Failed', `Error: ${error.message}`);
      waiting(error.reason, error.message);
      await sleep(parts.clock, CONFIG_RETRY_MS, signal);
    }
  }
}

/** What `run` resolves with; undefined where `changed` came first: nobody wants it any more. Rejects with the signal's reason. */
export async function unlessChanged<T>(
  changed: AbortSignal,
  signal: AbortSignal,
  run: (until: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await run(AbortSignal.any([signal, changed]));
  } catch (error) {
    if (signal.aborted || !changed.aborted) throw error;
    return undefined;
  }
}
