import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '#base/random.ts';
import { defaultLimits } from './limits.ts';
import { MessageParser } from './message-parser.ts';
import { ProtocolError } from './protocol-error.ts';
import { parseRequestHead } from './request-head.ts';
import { parseResponseHead } from './response-head.ts';

/** What a stream of messages was read as; heads as their fields. */
interface Read {
  heads: string[];
  bodies: string[];
  trailers: string[];
  refused?: number;
}

function readRequests(pieces: readonly Buffer[]): Read {
  return readAll(pieces, (text) => {
    const head = parseRequestHead(text, defaultLimits);
    const { method, target, authority, bodyLength } = head;
    const fields = head.fields.names.map((name, index) => [name, head.fields.values[index]]);
    return { head: JSON.stringify({ method, target, authority, bodyLength, fields }), bodyLength };
  });
}

function readAll(
  pieces: readonly Buffer[],
  parse: (text: string) => { head: string; bodyLength: number },
): Read {
  const read: Read = { heads: [], bodies: [], trailers: [] };
  let body = '';
  const parser = new MessageParser(defaultLimits, {
    onHead(text) {
      const { head, bodyLength } = parse(text);
      read.heads.push(head);
      return bodyLength;
    },
    onData(data) {
      body += data.toString('latin1');
    },
    onEnd(trailers) {
      read.bodies.push(body);
      read.trailers.push(trailers?.names.join() ?? '');
      body = '';
    },
  });
  try {
    for (const piece of pieces) {
      let rest: Buffer | undefined = piece;
      while (rest) rest = parser.write(rest);
    }
    parser.finish();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    read.refused = error.status;
  }
  return read;
}

const CHUNKED_POST =
  'POST /c?q=1 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n' +
  '5\r\nhello\r\n6;x="y z"\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n';
const VALID = [
  'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 11\r\nX-A:  spaced \r\n\r\nhello world',
  CHUNKED_POST,
  '\r\nDELETE /d HTTP/1.1\r\nhost: a.example:8080\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nX-Empty:\r\n\r\n',
];

test('a stream reads the same however it is cut', () => {
  const stream = Buffer.from(VALID.join(''), 'latin1');
  const whole = readRequests([stream]);
  assert.equal(whole.refused, undefined);
  assert.deepEqual(whole.bodies, ['', 'hello world', 'hello world', '', '']);
  assert.deepEqual(whole.trailers, ['', '', 'x-sum', '', '']);
  assert.deepEqual(readRequests([...stream].map((byte) => Buffer.of(byte))), whole);
  const random = seededRandom(7);
  for (let round = 0; round < 500; round += 1) {
    assert.deepEqual(readRequests(cut(stream, random)), whole, `round ${round} of seed 7`);
  }
});

test('a mutated stream is refused or read, the same way however it is cut, and never worse', () => {
  const random = seededRandom(11);
  const stream = Buffer.from(VALID.join(''), 'latin1');
  let refused = 0;
  for (let round = 0; round < 4_000; round += 1) {
    const mutated = mutate(stream, random);
    const whole = readRequests([mutated]);
    const pieces = readRequests(cut(mutated, random));
    assert.equal(pieces.refused, whole.refused, `round ${round} of seed 11`);
    if (whole.refused) refused += 1;
    else assert.deepEqual(pieces, whole, `round ${round} of seed 11`);
  }
  assert.ok(refused > 1_000, `only ${refused} were refused: the mutations do not bite`);
});

test('a head that can only be refused is refused before its end', () => {
  const refusals: readonly [string, number][] = [
    [`GET /${'a'.repeat(9_000)}`, 414],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(70_000)}`, 431],
    ['GET / HTTP/1.1\nHost: a\n\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\n\n', 400],
  ];
  for (const [text, status] of refusals) {
    assert.equal(readRequests([Buffer.from(text)]).refused, status, text.slice(0, 40));
    const split = [Buffer.from(text.slice(0, 9)), Buffer.from(text.slice(9))];
    assert.equal(readRequests(split).refused, status, `${text.slice(0, 40)} in two`);
  }
});

test('a message cut off by the end of input is refused, and nothing is refused between two', () => {
  assert.equal(readRequests([]).refused, undefined);
  for (const text of VALID) {
    const cutOff = Buffer.from(text).subarray(0, -1);
    assert.equal(readRequests([cutOff]).refused, 400, text.slice(0, 20));
  }
});

function readResponse(text: string, method = 'GET'): Read {
  return readAll([Buffer.from(text, 'latin1')], (headText) => {
    const head = parseResponseHead(headText, defaultLimits, method);
    const { status, reason, isPersistent, bodyLength } = head;
    return { head: `${status} ${reason} ${isPersistent ? 'keep' : 'close'}`, bodyLength };
  });
}

const RESPONSES: readonly [name: string, text: string, head: string, bodies: string[]][] = [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', '200 OK keep', ['hi']],
  [
    'chunks',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    '200 OK keep',
    ['hi'],
  ],
  ['until close', 'HTTP/1.1 200 OK\r\n\r\nall of it', '200 OK close', ['all of it']],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi', '200 OK close', ['hi']],
  [
    'close',
    'HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n',
    '200 OK close',
    [''],
  ],
  ['no body by status', 'HTTP/1.1 204 No Content\r\n\r\n', '204 No Content keep', ['']],
  [
    'a length that is only said',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
    '304 Not Modified keep',
    [''],
  ],
  ['an empty reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', '200  keep', ['']],
  ['no reason at all', 'HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n', '404  keep', ['']],
];

test('responses: body lengths by RFC 9112 section 6.3', () => {
  for (const [name, text, head, bodies] of RESPONSES) {
    assert.deepEqual(readResponse(text), { heads: [head], bodies, trailers: [''] }, name);
  }
  const head = readResponse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD');
  assert.deepEqual(head.bodies, [''], 'a response to HEAD');
});

test('responses: refused', () => {
  for (const text of [
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'HTTP/1.1 99 Low\r\n\r\n',
    'HTTP/1.1 600 High\r\n\r\n',
    'http/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 200 O\0K\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi',
    'HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n',
    '<html>',
  ]) {
    assert.notEqual(readResponse(text).refused, undefined, JSON.stringify(text));
  }
});

function cut(stream: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length;) {
    const end = at + 1 + Math.floor(random.fraction() ** 3 * 80);
    pieces.push(stream.subarray(at, end));
    at = end;
  }
  return pieces;
}

const HOSTILE = [
  '\r',
  '\n',
  '\0',
  ' ',
  ':',
  '\r\n',
  '\n\n',
  '\t',
  ';',
  '0',
  'f',
  '\x80',
  '\r\n\r\n',
  ',',
];

/** One to three small changes: what is deleted, doubled, or put in where it hurts. */
function mutate(stream: Buffer, random: Random): Buffer {
  let text = stream.toString('latin1');
  const changes = 1 + Math.floor(random.fraction() * 3);
  for (let change = 0; change < changes; change += 1) {
    const at = Math.floor(random.fraction() * text.length);
    const length = Math.floor(random.fraction() * 4);
    const put =
      random.fraction() < 0.5
        ? (HOSTILE[Math.floor(random.fraction() * HOSTILE.length)] ?? '')
        : '';
    text = text.slice(0, at) + put + text.slice(at + length);
  }
  return Buffer.from(text, 'latin1');
}
