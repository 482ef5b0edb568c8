import type { Socket } from 'node:net';

/** Up to here one text is cheaper than a second buffer for the kernel to gather. */
const APPENDED_BYTES_MAX = 4 * 1024;

/** Gathers what is said together into few writes: a head, a small body and its framing leave as one. */
export class SocketWriter {
  readonly #socket: Socket;
  /** Latin-1; small data is appended to it as such, byte for byte. */
  #text = '';

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** True while the other side takes less than we write: send no more until the socket's `drain`. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  text(text: string): void {
    this.#text += text;
  }

  /** Copies: `data` may be read over once this returns. */
  data(data: Buffer): void {
    if (data.length <= APPENDED_BYTES_MAX) {
      this.#text += data.toString('latin1');
      return;
    }
    this.#socket.cork();
    this.flush();
    this.#socket.write(Buffer.from(data));
    this.#socket.uncork();
  }

  flush(): void {
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    this.#socket.write(text, 'latin1');
  }
}
