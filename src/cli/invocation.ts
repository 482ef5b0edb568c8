import { homeOf } from '#supervisor/settings.ts';

/** What a command may know of where it was called. */
export interface Invocation {
  readonly home: string;
  /** Runs src/main.ts again: the program and its first arguments. */
  readonly self: readonly [string, ...string[]];
  readonly environment: Readonly<NodeJS.ProcessEnv>;
}

export function invocationOf(
  self: readonly [string, ...string[]],
  environment: Readonly<NodeJS.ProcessEnv>,
): Invocation {
  return { home: homeOf(environment), self, environment };
}
