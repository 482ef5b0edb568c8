/** Why a container waits: a reason that clients know and a sentence for a person. */
export class ContainerProblem extends Error {
  override readonly name = 'ContainerProblem';
  readonly reason: string;
  constructor(reason: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** The spec asks for something that is missing or not to be had; mended by somebody, then tried again. */
export function configProblem(message: string, cause?: unknown): ContainerProblem {
  return new ContainerProblem('CreateContainerConfigError', message, cause);
}

/** A volume cannot be had, or not yet. */
export function mountProblem(volume: string, why: string): ContainerProblem {
  return new ContainerProblem(
    'FailedMount',
    `MountVolume.SetUp failed for volume "${volume}" : ${why}`,
  );
}
