import type { FileHandle } from 'node:fs/promises';

/** One request to the registry; its body streams, because a layer may be larger than memory. */
export interface RegistryRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface RegistryReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | FileSlice;
}

/** Part of an open file; who sends it closes it. */
interface FileSlice {
  readonly handle: FileHandle;
  readonly start: number;
  /** The last byte, inclusive. */
  readonly end: number;
}
