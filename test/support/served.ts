import { systemClock, type Clock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds } from '#api/kinds.ts';
import { createApiServer, type ApiServerOptions } from '#apiserver/api-server.ts';
import { makeCertificate } from '#base/x509/certificate.ts';
import { listen } from '#apiserver/server.ts';
import { platformUser, type User } from '#apiserver/user.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';

/** An API server on a socket, and all that is needed to call it. */
export interface Served extends AsyncDisposable {
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  /** Of somebody in `system:masters`. */
  readonly certificate: { readonly cert: string; readonly key: string };
  /** The bearer token it takes besides; `user-NAME` is that user's, who is nobody special. */
  readonly token: string;
}

export interface ServedOptions {
  /** Of the connections; objects keep the time of the machine unless `server` says otherwise. */
  readonly clock?: Clock;
  readonly server?: Partial<ApiServerOptions>;
}

const TOKEN = 'the-token';
const LIFETIME_MS = 3_600_000;

/** Serves the core kinds from memory, over TLS on a free port of this machine. */
export async function serveCluster(options: ServedOptions = {}): Promise<Served> {
  const now = systemClock.now();
  const times = { now, lifetimeMs: LIFETIME_MS };
  const authority = makeCertificate({ subject: { commonName: 'ca' }, use: 'authority', ...times });
  const issued = { issuer: authority, ...times };
  const own = { subject: { commonName: 'server' }, names: ['127.0.0.1'] };
  const server = makeCertificate({ ...own, use: 'server', ...issued });
  const admin = { commonName: 'admin', organizations: ['system:masters'] };
  const client = makeCertificate({ subject: admin, use: 'client', ...issued });
  const store = options.server?.store ?? (await openMemoryStore());
  const random = seededRandom(1);
  const parts = { store, kinds: coreKinds, clock: systemClock, random, log: silentLog };
  const listener = await listen({
    server: createApiServer({ ...parts, ...options.server }),
    authenticator: async ({ headers }, certificate) => {
      const authorization = headers['authorization'];
      const isAdmin = certificate !== undefined || authorization === `Bearer ${TOKEN}`;
      return isAdmin ? platformUser : userOf(authorization);
    },
    tls: { key: server.key, cert: server.certificate, ca: authority.certificate },
    host: '127.0.0.1',
    port: 0,
    clock: options.clock ?? systemClock,
    log: silentLog,
  });
  return {
    url: `https://127.0.0.1:${listener.port}`,
    ca: authority.certificate,
    certificate: { cert: client.certificate, key: client.key },
    token: TOKEN,
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

function userOf(authorization = ''): User | undefined {
  const name = /^Bearer user-(?<name>.+)$/.exec(authorization)?.groups?.['name'];
  return name === undefined ? undefined : { name, groups: ['system:authenticated'] };
}
