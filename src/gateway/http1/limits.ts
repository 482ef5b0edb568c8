/** What one message may cost before its head is known to be harmless. */
export interface HttpLimits {
  /** Without CRLF; more is 414. RFC 9112 §3 recommends at least 8000. */
  readonly startLineBytesMax: number;
  /** Start line, fields and the empty line together; more is 431. */
  readonly headBytesMax: number;
  /** More is 431. */
  readonly fieldsMax: number;
  /** Of one chunk-size line; no client of note sends extensions at all. */
  readonly chunkExtensionBytesMax: number;
  /** Of all chunk extensions of one body: a byte of payload must not cost many to read. */
  readonly chunkExtensionsBytesMax: number;
  readonly trailerBytesMax: number;
}

export const defaultLimits: HttpLimits = {
  startLineBytesMax: 8 * 1024,
  headBytesMax: 64 * 1024,
  fieldsMax: 128,
  chunkExtensionBytesMax: 256,
  chunkExtensionsBytesMax: 4 * 1024,
  trailerBytesMax: 8 * 1024,
};
