/** What the peer sent is not SPDY/3.1, or more of it than is taken; the session cannot go on. */
export class SpdyError extends Error {
  override readonly name = 'SpdyError';
}
