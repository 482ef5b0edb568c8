/** One HTTP request as data, so that a handler need not know what carried it. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent, still percent-encoded: `/api/v1/pods?watch=1`. */
  readonly target: string;
  /** Names in lower case; a repeated header's values joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Aborted when whoever asked is gone. */
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whole, or a stream that ends when the iteration does; stopping the iteration releases it. */
  readonly body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpReply>;

export async function bodyText(body: HttpReply['body']): Promise<string> {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body).toString('utf8');
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
