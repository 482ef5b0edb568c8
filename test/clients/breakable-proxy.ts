import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP port of this machine that leads to another one, until it is broken. */
export interface BreakableProxy extends AsyncDisposable {
  readonly port: number;
  /** Ends all connections; new ones are refused, as where nobody listens. */
  break(): Promise<void>;
  /** On the same port again. */
  mend(): Promise<void>;
}

export async function startProxy(targetPort: number): Promise<BreakableProxy> {
  const sockets = new Set<Socket>();
  let server = await serve(0, { targetPort, sockets });
  // A TCP server that listens has an address with a port.
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    port,
    break: stop,
    async mend() {
      server = await serve(port, { targetPort, sockets });
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function serve(
  port: number,
  { targetPort, sockets }: { readonly targetPort: number; readonly sockets: Set<Socket> },
): Promise<Server> {
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.once('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
