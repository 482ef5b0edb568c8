import type { SecureContext } from 'node:tls';
import type { Door, Exchange } from './connection/exchange.ts';
import { Listener, type ListenerOptions } from './connection/listener.ts';
import { ReadAhead } from './connection/read-ahead.ts';

/**
 * The gateway's doors. `public…` are for the world; `service…` too, by way of the gateway's public Service; `internal…` for
 * pods, to whom cluster-local hosts are served too; `backend` believes who asks. Those over TLS come first: others send there.
 */
const DOORS = {
  publicTls: { door: 'public', isSecure: true, isForPods: false },
  serviceTls: { door: 'public', isSecure: true, isForPods: true },
  internalTls: { door: 'internal', isSecure: true, isForPods: true },
  public: { door: 'public', isSecure: false, isForPods: false },
  service: { door: 'public', isSecure: false, isForPods: true },
  internal: { door: 'internal', isSecure: false, isForPods: true },
  backend: { door: 'backend', isSecure: false, isForPods: true },
} as const satisfies Record<string, { door: Door; isSecure: boolean; isForPods: boolean }>;

export type DoorName = keyof typeof DOORS;

export interface DoorOptions {
  /** All on one port; those that the machine does not have are left out. */
  readonly addresses: readonly string[];
  /** 0: any free one. */
  readonly port: number;
  /** The flag that chooses the port, for the error where it is taken; empty where none does. */
  readonly flag: string;
}

export interface OpenDoorsOptions<Name extends DoorName> extends Pick<
  ListenerOptions,
  'clock' | 'log'
> {
  readonly doors: Readonly<Record<Name, DoorOptions>>;
  readonly onRequest: (exchange: Exchange) => void;
  /** The certificate for a name, as it is seen from inside the cluster or not. */
  readonly contextFor: (name: string, isInternal: boolean) => SecureContext | undefined;
  /** Owns what is opened. */
  readonly resources: AsyncDisposableStack;
}

const READ_AHEAD = { bytesMaxEach: 64 * 1024, bytesMax: 128 * 1024 * 1024 };
/** Of the gateway's Services, whatever is behind them. */
const HTTPS_PORT = 443;

/** Opens those that are asked for. Throws where a port is taken. */
export async function openDoors<Name extends DoorName>(
  options: OpenDoorsOptions<Name>,
): Promise<ReadonlyMap<Name, Listener>> {
  const { clock, log, doors, contextFor, onRequest, resources } = options;
  const readAhead = new ReadAhead(READ_AHEAD);
  const opened = new Map<Name, Listener>();
  let publicTlsPort = HTTPS_PORT;
  for (const name of Object.keys(DOORS).filter((one): one is Name => Object.hasOwn(doors, one))) {
    const { door, isSecure, isForPods } = DOORS[name];
    const isInternal = door === 'internal';
    const listener = await Listener.open({
      ...doors[name],
      door,
      isForPods,
      ...(isSecure && { contextFor: (host) => contextFor(host, isInternal) }),
      httpsPort: isForPods ? HTTPS_PORT : publicTlsPort,
      readAhead,
      clock,
      log,
      onRequest,
    });
    opened.set(name, resources.use(listener));
    if (name === 'publicTls') publicTlsPort = listener.port;
  }
  return opened;
}
