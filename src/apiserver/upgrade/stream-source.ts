import type { DialPort, RemoteProgram } from '#base/standard-streams.ts';
import type { ConnectSubresource } from '#apiserver/upgrade/connect-options.ts';
import type { ResourceRequest } from '#apiserver/resource-request.ts';

/** What an upgraded connection carries: a program's streams, or connections to ports. */
export type StreamSource =
  | { readonly kind: 'program'; readonly run: RemoteProgram; readonly query: URLSearchParams }
  | { readonly kind: 'ports'; readonly dial: DialPort };

/** A subresource that takes over the connection of who asks: `pods/exec`. */
export interface StreamConnection {
  readonly group: string;
  readonly plural: string;
  readonly subresource: ConnectSubresource;
  /** Throws ApiError; nothing has happened then, and nothing happens before the connection is upgraded. */
  open(request: ResourceRequest): Promise<StreamSource>;
}
