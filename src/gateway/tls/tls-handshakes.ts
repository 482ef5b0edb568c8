import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  TLSSocket,
  type TLSSocketOptions,
} from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { Deadlines } from '../deadlines.ts';

export interface TlsHandshakesOptions {
  /** The certificate to show to whoever asks for that name, in lower case; undefined: the name is not served. */
  readonly contextFor: (name: string) => SecureContext | undefined;
  readonly clock: Clock;
  /** A handshake is done: what is on the socket from now on is what the client says. */
  readonly onSecure: (socket: TLSSocket) => void;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Each costs a signature, and some tens of kilobytes until it ends. What comes beyond is closed at once. */
const HANDSHAKES_MAX = 1_000;
/** RFC 8446 §6: an alert record; fatal, unrecognized_name. In clear, as nothing has been agreed yet. */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

/** For every secure context: no authorities are needed where no client is asked who it is. */
export const tlsLimits: SecureContextOptions = {
  ca: [],
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
};

/**
 * Makes connections secure. The certificate is chosen by the name that the client asks for (RFC 6066 §3); who asks for none,
 * or for one that is not served, is refused: there is no certificate for everybody.
 */
export class TlsHandshakes implements Disposable {
  readonly #options: TlsHandshakesOptions;
  readonly #deadlines: Deadlines<Socket>;
  readonly #begun = new Set<Socket>();
  #isDisposed = false;
  /** Without a certificate: what a handshake fails with when no name was asked for. */
  readonly #nobody = createSecureContext(tlsLimits);

  constructor(options: TlsHandshakesOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock, HANDSHAKE_TIMEOUT_MS, (raw) => raw.destroy());
  }

  begin(raw: Socket): void {
    if (this.#begun.size >= HANDSHAKES_MAX || this.#isDisposed) {
      raw.destroy();
      return;
    }
    const ended = (): void => {
      this.#begun.delete(raw);
      this.#deadlines.clear(raw);
    };
    this.#begun.add(raw);
    this.#deadlines.set(raw);
    raw.once('close', ended);
    const socket = new TLSSocket(raw, this.#tlsOptions(raw));
    // Whatever comes instead of a handshake is the client's affair: the socket is closed with it.
    const failed = (): void => void socket.destroy();
    socket.on('error', failed);
    socket.once('secure', () => {
      socket.off('error', failed);
      raw.off('close', ended);
      ended();
      this.#options.onSecure(socket);
    });
  }

  /** Cuts off who is in the middle of one. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const raw of this.#begun) raw.destroy();
    this.#deadlines[Symbol.dispose]();
  }

  #tlsOptions(raw: Socket): TLSSocketOptions {
    return {
      isServer: true,
      secureContext: this.#nobody,
      // HTTP/2 is not offered, as it is not spoken.
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, chosen) => {
        const context = this.#options.contextFor(name.toLowerCase());
        if (context) {
          chosen(null, context);
          return;
        }
        raw.write(UNRECOGNIZED_NAME);
        chosen(new Error('no certificate for that name'));
      },
    };
  }
}
