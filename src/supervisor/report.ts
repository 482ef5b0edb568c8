/** What the processes of one home tell each other over the supervisor's socket, one JSON object a line. */

export interface PartStatus {
  readonly name: string;
  readonly pid: number | undefined;
  readonly state: 'starting' | 'ready' | 'waiting' | 'stopping' | 'stopped';
  /** Why it is not ready, where that is known. */
  readonly message?: string;
  readonly restarts: number;
}

/** From a part to the supervisor. */
export type FromPart =
  | {
      readonly type: 'hello';
      readonly name: string;
      readonly pid: number;
      readonly settings: string;
    }
  | { readonly type: 'ready' }
  /** It cannot start and will not by trying again: a sentence for the person at the terminal. */
  | { readonly type: 'failed'; readonly message: string };

/** From a command to the supervisor. */
export type FromCommand = { readonly type: 'status' } | { readonly type: 'stop' };

export interface SupervisorStatus {
  readonly type: 'status';
  readonly pid: number;
  readonly parts: readonly PartStatus[];
}

export function isObjectWithType(value: unknown): value is { readonly type: string } {
  return (
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
  );
}
