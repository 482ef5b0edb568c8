import type { Socket } from 'node:net';

/**
 * Copies bytes both ways until both sides have ended or one fails. Not `pipe()`, which costs twice the memory a pair.
 * `onMoved` is called when the second side sends; `onClosed` once, when all is over.
 */
export function splice(
  client: Socket,
  pod: Socket,
  { onMoved, onClosed }: { onMoved: () => void; onClosed: () => void },
): void {
  let open = 2;
  const closed = (): void => {
    open -= 1;
    if (open === 0) onClosed();
  };
  copy(client, pod, () => undefined);
  copy(pod, client, onMoved);
  for (const [one, other] of [
    [client, pod],
    [pod, client],
  ] as const) {
    // A reset of one side is told to the other as its end; after a proper end what was said before still goes out.
    one.on('error', () => other.destroy());
    one.on('close', () => {
      other.destroySoon();
      closed();
    });
  }
}

function copy(from: Socket, to: Socket, onMoved: () => void): void {
  from.on('data', (chunk: Buffer) => {
    onMoved();
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  from.resume();
}
