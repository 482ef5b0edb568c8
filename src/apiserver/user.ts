import type { HttpRequest } from '#base/http-message.ts';

/** Who asks. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  /** What the authenticator knows besides, by lower-case keys: `authentication.kubernetes.io/pod-name`. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Whom the platform's own parts act as; in `system:masters`, which RBAC lets do everything. */
export const platformUser: User = {
  name: 'system:knode',
  groups: ['system:masters', 'system:authenticated'],
};

/** Says who sent a request, by its bearer token or its connection's client certificate; undefined: it cannot tell. */
export type Authenticator = (
  request: HttpRequest,
  certificate: ClientCertificate | undefined,
) => Promise<User | undefined>;

/** The subject of a client certificate that the server's CA signed: CN is the name, each O a group. */
export interface ClientCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

/** What somebody wants to do; the terms of RBAC. */
export interface Attributes {
  readonly user: User;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for paths the HTTP method in lower case. */
  readonly verb: string;
  readonly resource?: {
    readonly group: string;
    readonly version: string;
    readonly plural: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
    /** Of lists and watches, as it was sent. */
    readonly fieldSelector?: string;
  };
  /** For requests about no resource: `/healthz`, `/apis`. */
  readonly path?: string;
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

export type Authorizer = (attributes: Attributes) => Promise<Decision>;
