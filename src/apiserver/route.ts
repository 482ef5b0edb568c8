import type { HttpReply, HttpRequest } from '#base/http-message.ts';
import type { User } from '#apiserver/user.ts';

/** A request whose sender is known. The server has also asked the authorizer before a route sees it. */
export interface UserRequest extends HttpRequest {
  readonly user: User;
}

/** A fixed endpoint beside the generic verbs of the kinds. The first route that matches wins; no match is a verb's. */
export interface Route {
  /** `path` is the request's target without its query, still percent-encoded. */
  matches(method: string, path: string): boolean;
  /** Throws ApiError for what a client did wrong; the server renders it as a Status. */
  handle(request: UserRequest): Promise<HttpReply>;
}
