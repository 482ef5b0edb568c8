import type { FieldSection } from '../http1/field-section.ts';
import type { SocketWriter } from './socket-writer.ts';

/** How a body that we send is framed (RFC 9112 §6): by chunks, or as it is, its length said before or by the close. */
export type BodyFraming = 'chunked' | 'raw';

export function writeBody(writer: SocketWriter, framing: BodyFraming, data: Buffer): void {
  // RFC 9112 §7.1: a chunk of size 0 would end the body.
  if (framing === 'raw' || data.length === 0) {
    writer.data(data);
    return;
  }
  writer.text(`${data.length.toString(16)}\r\n`);
  writer.data(data);
  writer.text('\r\n');
}

export function writeBodyEnd(
  writer: SocketWriter,
  framing: BodyFraming,
  trailers: FieldSection | undefined,
): void {
  if (framing === 'raw') return;
  let text = '0\r\n';
  for (let index = 0; index < (trailers?.length ?? 0); index += 1) {
    text += trailers?.line(index) ?? '';
  }
  writer.text(`${text}\r\n`);
}
