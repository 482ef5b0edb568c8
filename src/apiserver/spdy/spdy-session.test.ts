import assert from 'node:assert/strict';
import { duplexPair, type Duplex } from 'node:stream';
import { test } from 'node:test';
import { seededRandom, type Random } from '#base/random.ts';
import { controlFrame, dataHead, FrameReader, frameTypes } from '#apiserver/spdy/frames.ts';
import { HeaderReader, HeaderWriter } from '#apiserver/spdy/header-block.ts';
import { SpdyError } from '#apiserver/spdy/spdy-error.ts';
import { SpdySession } from '#apiserver/spdy/spdy-session.ts';
import type { SpdyStream } from '#apiserver/spdy/spdy-stream.ts';
import { SpdyClient } from '#test/support/spdy-client.ts';

interface Bed {
  readonly client: SpdyClient;
  readonly transport: Duplex;
  /** Settles when the server's side has ended. */
  readonly ended: Promise<void>;
  readonly session: SpdySession;
}

function serve(onStream: (stream: SpdyStream) => void): Bed {
  const [transport, far] = duplexPair();
  const session = new SpdySession(transport, onStream);
  const ended = session.run();
  ended.catch(() => undefined); // Looked at by the tests that care.
  return { client: new SpdyClient(far), transport: far, ended, session };
}

test('SPDY: streams carry bytes both ways, each with its own end', async () => {
  const { client, ended } = serve((stream) => stream.pipe(stream));
  const one = await client.open({ streamtype: 'data', port: '80' });
  const two = await client.open({ streamtype: 'data', port: '81' });
  const big = Buffer.alloc(300_000, 'x');
  client.send(one, big);
  client.send(two, 'hello');
  client.end(two);
  await client.until(() => two.hasEnded && one.bytes.length === big.length);
  assert.equal(two.bytes.toString(), 'hello');
  assert.equal(one.hasEnded, false);
  client.end(one);
  await client.until(() => one.hasEnded);
  client[Symbol.dispose]();
  await ended;
});

test('SPDY: headers come through the compression that all streams share', async () => {
  const seen: unknown[] = [];
  using client = serve((stream) => {
    seen.push(stream.headers);
    stream.resume();
  }).client;
  for (const streamtype of ['error', 'data', 'stdin', 'stdout'])
    await client.open({ Streamtype: streamtype, requestid: '7', port: '8080' });
  assert.deepEqual(seen[3], { streamtype: 'stdout', requestid: '7', port: '8080' });
});

test('SPDY: a reset ends one stream and no other; ours tells the client', async () => {
  const streams: SpdyStream[] = [];
  using client = serve((stream) => {
    streams.push(stream);
    stream.resume();
  }).client;
  const one = await client.open({ streamtype: 'data' });
  const two = await client.open({ streamtype: 'data' });
  client.reset(one);
  streams[1]?.destroy();
  await client.until(() => two.isReset);
  const three = await client.open({ streamtype: 'data' });
  assert.equal(streams[0]?.destroyed, true);
  assert.equal(three.isAnswered, true);
});

test('SPDY: pings of the client are answered, answers to ours are not', async () => {
  const { client, session } = serve((stream) => stream.resume());
  client.ping(1);
  await client.until(() => client.pings === 1);
  client.ping(2);
  session.ping();
  await client.until(() => client.pings === 2);
  client[Symbol.dispose]();
});

test('SPDY: a reader that is slow stops the wire, it does not fill memory', async () => {
  const opened = Promise.withResolvers<SpdyStream>();
  using client = serve(opened.resolve).client;
  const stream = await client.open({ streamtype: 'stdin' });
  const far = await opened.promise;
  const sent = 40 * 65_536;
  for (let count = 0; count < 40; count += 1) client.send(stream, Buffer.alloc(65_536));
  let received = 0;
  assert.ok(far.readableLength < 1_000_000);
  client.end(stream);
  for await (const chunk of far as AsyncIterable<Buffer>) received += chunk.length;
  assert.equal(received, sent);
});

test('SPDY: more streams than are taken are refused one by one', async () => {
  using client = serve((stream) => stream.resume()).client;
  for (let count = 0; count < 1024; count += 1) await client.open({});
  const refused = await client.open({});
  assert.equal(refused.isReset, true);
});

async function refusal(bytes: Buffer): Promise<string> {
  const { client, ended } = serve((stream) => stream.resume());
  client.write(bytes);
  const error = await ended.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  client[Symbol.dispose]();
  assert.ok(error instanceof SpdyError, String(error));
  return error.message;
}

test('SPDY: what is not the protocol ends the session with a sentence', async () => {
  const wrongVersion = controlFrame(frameTypes.ping, Buffer.alloc(4));
  wrongVersion[1] = 2;
  assert.match(await refusal(wrongVersion), /SPDY version 2, wanted 3/);
  const huge = controlFrame(frameTypes.settings, Buffer.alloc(20_000));
  assert.match(await refusal(huge), /control frame of 20000 bytes/);
  assert.match(await refusal(controlFrame(frameTypes.rstStream, Buffer.alloc(2))), /ends early/);
  const even = Buffer.concat([
    Buffer.from([0, 0, 0, 2, 0, 0, 0, 0, 0, 0]),
    new HeaderWriter().write({}),
  ]);
  assert.match(await refusal(controlFrame(frameTypes.synStream, even)), /new stream 2/);
  const noZlib = Buffer.alloc(30, 0xff);
  assert.match(await refusal(controlFrame(frameTypes.synStream, noZlib)), /not a zlib stream/);
});

test('SPDY: a header block that inflates to too much is refused before it does', () => {
  const headers = { bomb: 'x'.repeat(20_000) };
  assert.throws(() => new HeaderReader().read(new HeaderWriter().write(headers)), SpdyError);
  const reader = new HeaderReader();
  const writer = new HeaderWriter();
  assert.deepEqual(reader.read(writer.write({ a: 'b' })), { a: 'b' });
  assert.deepEqual(reader.read(writer.write({ c: '', d: 'ü' })), { c: '', d: 'ü' });
});

/** A conversation as a client sends it, for cutting and spoiling. */
function conversation(): Buffer {
  const headers = new HeaderWriter();
  const opening = (id: number, streamtype: string): Buffer => {
    const head = Buffer.alloc(10);
    head.writeUInt32BE(id);
    return controlFrame(
      frameTypes.synStream,
      Buffer.concat([head, headers.write({ streamtype, port: '80' })]),
    );
  };
  return Buffer.concat([
    opening(1, 'error'),
    opening(3, 'data'),
    dataHead(3, 5),
    Buffer.from('hello'),
    controlFrame(frameTypes.ping, Buffer.from([0, 0, 0, 1])),
    controlFrame(frameTypes.windowUpdate, Buffer.from([0, 0, 0, 3, 0, 1, 0, 0])),
    dataHead(3, 6, 1),
    Buffer.from(' world'),
    controlFrame(frameTypes.goAway, Buffer.alloc(8)),
  ]);
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = 1 + Math.floor(random.fraction() * 12);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

test('SPDY: however the bytes are cut, the frames are the same', () => {
  const random = seededRandom(11);
  const read = (pieces: Buffer[]): unknown => {
    const reader = new FrameReader();
    let data = '';
    const control: unknown[] = [];
    for (const frame of pieces.flatMap((piece) => [...reader.read(piece)])) {
      if (frame.kind === 'control')
        control.push([frame.type, frame.flags, frame.body.toString('hex')]);
      else data += `${frame.stream}:${frame.bytes.toString()}${frame.isLast ? '.' : ''}`;
    }
    return [control, data.replaceAll('3:', '')];
  };
  const whole = read([conversation()]);
  for (let round = 0; round < 200; round += 1)
    assert.deepEqual(read(cut(conversation(), random)), whole, `round ${round} of seed 11`);
});

test('SPDY: spoilt bytes end the session or mean something else, never anything worse', async () => {
  const random = seededRandom(13);
  for (let round = 0; round < 400; round += 1) {
    const bytes = conversation();
    for (let spoilt = 0; spoilt < 1 + (round % 4); spoilt += 1)
      bytes[Math.floor(random.fraction() * bytes.length)] = Math.floor(random.fraction() * 256);
    const [transport, far] = duplexPair();
    const session = new SpdySession(transport, (stream) => stream.resume().end());
    far.resume();
    far.end(bytes);
    await session.run().catch((error: unknown) => {
      assert.ok(error instanceof SpdyError, `round ${round} of seed 13: ${String(error)}`);
    });
  }
});
