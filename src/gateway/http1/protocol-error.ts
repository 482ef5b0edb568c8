/** A message that RFC 9112 does not allow, or that is larger than we take. Its connection cannot be used further. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  /** What a server answers with; a client that got this from a response answers 502 instead. */
  readonly status: number;
  constructor(message: string, status = 400) {
    super(message);
    this.status = status;
  }
}
