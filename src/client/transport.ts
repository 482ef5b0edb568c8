import type { HttpHandler } from '#base/http-message.ts';

/** Carries a client's requests to a cluster: over HTTPS to any, or by a call to the one in this process. */
export type Transport = HttpHandler;
