import type { Clock } from '#base/clock.ts';
import { ConnectionPool } from '../connection/connection-pool.ts';

/** Where a pod can be reached, as an EndpointSlice or a hint says it. */
export interface PodEndpoint {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly isReady: boolean;
  readonly isTerminating: boolean;
}

/** One place that requests can be sent to, and how many of ours are there now. */
export class Pod implements Disposable {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly pool: ConnectionPool;
  inFlight = 0;
  /** How many of those speak another protocol by now: there is no answer to wait for. */
  upgraded = 0;

  constructor(
    { name, address, port }: Omit<PodEndpoint, 'isReady' | 'isTerminating'>,
    clock: Clock,
  ) {
    this.name = name;
    this.address = address;
    this.port = port;
    this.pool = new ConnectionPool({ address, port, clock });
  }

  [Symbol.dispose](): void {
    this.pool[Symbol.dispose]();
  }
}
