import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from './limits.ts';
import { MessageParser } from './message-parser.ts';
import { ProtocolError } from './protocol-error.ts';
import { parseRequestHead, type RequestHead } from './request-head.ts';

/**
 * Requests as they may come from anyone, each with what must become of it: refused with a status, or read, and then as
 * what. A body beside `ok` is the payload after framing; `next` what is left on the connection for the next request.
 */
type Outcome =
  | number
  | { readonly body?: string; readonly target?: string; readonly next?: string };
type Case = readonly [name: string, message: string, outcome: Outcome];

const ok: Outcome = {};
const lines = (...all: string[]): string => `${all.join('\r\n')}\r\n\r\n`;
const get = (...fields: string[]): string => lines('GET / HTTP/1.1', 'Host: a.example', ...fields);
const line = (requestLine: string): string => lines(requestLine, 'Host: a.example');
const host = (value: string): string => lines('GET / HTTP/1.1', `Host:${value}`);
const post = (fields: string[], body: string): string =>
  lines('POST / HTTP/1.1', 'Host: a.example', ...fields) + body;
const chunked = (body: string): string => post(['Transfer-Encoding: chunked'], body);

const requestLines: readonly Case[] = [
  ['the plainest request', get(), { target: '/' }],
  ['a path and a query', line('GET /a/b?c=d&e HTTP/1.1'), { target: '/a/b?c=d&e' }],
  ['an unknown method', line('FROB / HTTP/1.1'), ok],
  ['a method in lower case', line('get / HTTP/1.1'), ok],
  ['a method with every token character', line("A!#$%&'*+-.^_`|~9 / HTTP/1.1"), ok],
  ['a method with a colon', line('GE:T / HTTP/1.1'), 400],
  ['a method with a NUL', line('GE\0T / HTTP/1.1'), 400],
  ['an empty method', line(' / HTTP/1.1'), 400],
  ['a tab for a space', line('GET\t/ HTTP/1.1'), 400],
  ['two spaces before the target', line('GET  / HTTP/1.1'), 400],
  ['two spaces before the version', line('GET /  HTTP/1.1'), 400],
  ['a space after the version', line('GET / HTTP/1.1 '), 400],
  ['a space before the method', line(' GET / HTTP/1.1'), 400],
  ['a space within the target', line('GET /a b HTTP/1.1'), 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400],
  ['HTTP/0.9 with a version', line('GET / HTTP/0.9'), 505],
  ['HTTP/1.0', line('GET / HTTP/1.0'), ok],
  ['HTTP/1.0 without a host', lines('GET / HTTP/1.0'), 400],
  ['HTTP/1.2', line('GET / HTTP/1.2'), 505],
  ['HTTP/2.0', line('GET / HTTP/2.0'), 505],
  ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['a version in lower case', line('GET / http/1.1'), 400],
  ['a version with two digits', line('GET / HTTP/1.10'), 400],
  ['a version without a minor', line('GET / HTTP/1'), 400],
  ['a version with a sign', line('GET / HTTP/+1.1'), 400],
  ['another protocol', line('GET / ICAP/1.0'), 400],
  ['CONNECT', line('CONNECT a.example:443 HTTP/1.1'), 501],
  ['an asterisk for OPTIONS', line('OPTIONS * HTTP/1.1'), { target: '*' }],
  ['an asterisk for GET', line('GET * HTTP/1.1'), 400],
  ['one empty line first', `\r\n${get()}`, ok],
  ['two empty lines first', `\r\n\r\n${get()}`, 400],
  ['a bare LF first', `\n${get()}`, 400],
  ['a bare CR first', `\r${get()}`, 400],
  ['a request line ended by LF', 'GET / HTTP/1.1\nHost: a.example\r\n\r\n', 400],
  ['a request line ended by CR', 'GET / HTTP/1.1\rHost: a.example\r\n\r\n', 400],
  ['a request line ended by CR CR LF', 'GET / HTTP/1.1\r\r\nHost: a.example\r\n\r\n', 400],
  ['a target of 8000 bytes', line(`GET /${'a'.repeat(8_000)} HTTP/1.1`), ok],
  ['a target of 16 KiB', line(`GET /${'a'.repeat(16_384)} HTTP/1.1`), 414],
  ['TLS on a plain port', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n', 400],
];

const targets: readonly Case[] = [
  ['percent-encoding', line('GET /a%20b HTTP/1.1'), { target: '/a%20b' }],
  ['an escape with one digit', line('GET /a%2 HTTP/1.1'), 400],
  ['an escape without digits', line('GET /%zz HTTP/1.1'), 400],
  ['a bare percent in the query', line('GET /?p=100% HTTP/1.1'), ok],
  ['brackets in the query', line('GET /?a[]=1 HTTP/1.1'), ok],
  [
    'in the query what no URI may hold',
    line('GET /a?q="<\\>"&r=\xe9\x80 HTTP/1.1'),
    { target: '/a?q="<\\>"&r=\xe9\x80' },
  ],
  ['a fragment behind a query', line('GET /a?q#b HTTP/1.1'), 400],
  ['a control character in the query', line('GET /a?q=\x1f HTTP/1.1'), 400],
  ['DEL in the query', line('GET /a?"\x7f HTTP/1.1'), 400],
  ['a tab in the query', line('GET /a?"\tb HTTP/1.1'), 400],
  ['a space behind what no URI may hold', line('GET /a?" b HTTP/1.1'), 400],
  ['a quote before the query', line('GET /a"?b HTTP/1.1'), 400],
  ['dots are not resolved', line('GET /a/../b HTTP/1.1'), { target: '/a/../b' }],
  ['two slashes first', line('GET //a.other/x HTTP/1.1'), { target: '//a.other/x' }],
  ['a fragment', line('GET /a#b HTTP/1.1'), 400],
  ['a backslash', line('GET /a\\b HTTP/1.1'), 400],
  ['a quote', line('GET /a"b HTTP/1.1'), 400],
  ['angle brackets', line('GET /<b> HTTP/1.1'), 400],
  ['a byte above ASCII', line('GET /\xe9 HTTP/1.1'), 400],
  ['a control character', line('GET /\x01 HTTP/1.1'), 400],
  ['DEL', line('GET /\x7f HTTP/1.1'), 400],
  ['a NUL', line('GET /\0 HTTP/1.1'), 400],
  ['no slash first', line('GET a HTTP/1.1'), 400],
  ['a query alone', line('GET ?a HTTP/1.1'), 400],
  ['absolute-form', line('GET http://a.example/x?y HTTP/1.1'), { target: '/x?y' }],
  ['absolute-form without a path', line('GET http://a.example HTTP/1.1'), { target: '/' }],
  ['absolute-form with a query alone', line('GET http://a.example?q HTTP/1.1'), { target: '/?q' }],
  ['absolute-form in capitals', line('GET HTTP://A.EXAMPLE/ HTTP/1.1'), { target: '/' }],
  ['absolute-form of another host', line('GET http://b.example/ HTTP/1.1'), 400],
  ['absolute-form of another port', line('GET http://a.example:81/ HTTP/1.1'), 400],
  ['absolute-form with a user', line('GET http://u@a.example/ HTTP/1.1'), 400],
  ['absolute-form without a host', line('GET http:///x HTTP/1.1'), 400],
  ['absolute-form of another scheme', line('GET ftp://a.example/ HTTP/1.1'), 400],
  ['authority-form for GET', line('GET a.example:80 HTTP/1.1'), 400],
];

const hosts: readonly Case[] = [
  ['a host', host(' a.example'), ok],
  ['a host and a port', host(' a.example:8080'), ok],
  ['a host and an empty port', host(' a.example:'), ok],
  ['an IPv4 address', host(' 127.0.0.1:80'), ok],
  ['an IPv6 address', host(' [::1]'), ok],
  ['an IPv6 address and a port', host(' [fd00::1]:80'), ok],
  ['a host with an underscore', host(' a_b.example'), ok],
  ['a host after tabs', host('\t\ta.example\t'), ok],
  ['no host', lines('GET / HTTP/1.1'), 400],
  ['an empty host', host(''), 400],
  ['a port alone', host(' :80'), 400],
  ['two hosts', get('Host: a.example'), 400],
  ['two hosts that differ', get('Host: b.example'), 400],
  ['a list of hosts', host(' a.example, b.example'), 400],
  ['a host with a path', host(' a.example/x'), 400],
  ['a host with a user', host(' u@a.example'), 400],
  ['a host with a space', host(' a .example'), 400],
  ['a host with a NUL', host(' a\0.example'), 400],
  ['a host with a bad escape', host(' a%2'), 400],
  ['a port that is no number', host(' a.example:http'), 400],
  ['a port with a sign', host(' a.example:+80'), 400],
  ['a port of six digits', host(' a.example:100000'), 400],
  ['an IPv6 address left open', host(' [::1'), 400],
  ['an IPv6 address without brackets', host(' ::1'), 400],
  ['a host above ASCII', host(' \xe9.example'), 400],
  ['a host with a backslash', host(' a\\b'), 400],
];

const fields: readonly Case[] = [
  ['a field without a value', get('X-A:'), ok],
  ['a field without a space', get('X-A:b'), ok],
  ['a value with spaces and tabs within', get('X-A: b \t c'), ok],
  ['a value above ASCII', get('X-A: caf\xe9'), ok],
  ['a name that prototypes have', get('__proto__: 1', 'constructor: 2', 'toString: 3'), ok],
  ['a name of digits', get('123: 1'), ok],
  ['a space before the colon', get('X-A : b'), 400],
  ['a tab before the colon', get('X-A\t: b'), 400],
  ['Content-Length with a space before the colon', post(['Content-Length : 5'], 'hello'), 400],
  [
    'Transfer-Encoding with a space before the colon',
    post(['Transfer-Encoding : chunked'], '0\r\n\r\n'),
    400,
  ],
  ['a folded line', get('X-A: b', ' c'), 400],
  ['a line folded by a tab', get('X-A: b', '\tc'), 400],
  ['a fold right after the request line', lines('GET / HTTP/1.1', ' Host: a.example'), 400],
  ['a folded Transfer-Encoding', post(['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'), 400],
  ['no colon', get('X-A'), 400],
  ['an empty name', get(': b'), 400],
  ['a name with a space', get('X A: b'), 400],
  ['a name with a slash', get('X/A: b'), 400],
  ['a name in brackets', get('[X]: b'), 400],
  ['a name above ASCII', get('X\xe9: b'), 400],
  ['a name with a NUL', get('X\0A: b'), 400],
  ['a value with a NUL', get('X-A: b\0c'), 400],
  ['a value with a bare CR', get('X-A: b\rc'), 400],
  ['a value with a bare LF', get('X-A: b\nc'), 400],
  ['a bare LF that hides a field', get('X-A: b\nContent-Length: 5'), 400],
  ['a bare CR that hides a field', get('X-A: b\rTransfer-Encoding: chunked'), 400],
  ['CR CR LF at the end of a line', get('X-A: b\r'), 400],
  ['CRLF CR X at the end of the head', 'GET / HTTP/1.1\r\nHost: a.example\r\n\rX: b\r\n\r\n', 400],
  ['a value with a control character', get('X-A: b\x0bc'), 400],
  ['a value with DEL', get('X-A: b\x7f'), 400],
  ['128 fields', get(...Array.from({ length: 127 }, (_, index) => `X-${index}: 1`)), ok],
  ['129 fields', get(...Array.from({ length: 128 }, (_, index) => `X-${index}: 1`)), 431],
  ['10,000 fields', get(...Array.from({ length: 10_000 }, () => 'X: 1')), 431],
  ['a field of 32 KiB', get(`X-A: ${'b'.repeat(32_768)}`), ok],
  ['a field of 64 KiB', get(`X-A: ${'b'.repeat(65_536)}`), 431],
  [
    '5,000 fields named by numbers',
    get(...Array.from({ length: 5_000 }, (_, i) => `${i}: 1`)),
    431,
  ],
  ['only spaces in a long value', get(`X-A:${' '.repeat(60_000)}b`), ok],
];

const lengths: readonly Case[] = [
  ['a body by length', post(['Content-Length: 5'], 'hello'), { body: 'hello' }],
  ['a length of 0', post(['Content-Length: 0'], ''), { body: '' }],
  ['a length with zeros first', post(['Content-Length: 005'], 'hello'), { body: 'hello' }],
  ['no length at all', post([], ''), { body: '' }],
  ['a body on GET', lines('GET / HTTP/1.1', 'Host: a', 'Content-Length: 2') + 'hi', { body: 'hi' }],
  [
    'a second request behind',
    post(['Content-Length: 5'], 'helloGET /'),
    { body: 'hello', next: 'GET /' },
  ],
  ['bytes behind a request without length', get() + 'GET /', { next: 'GET /' }],
  ['a length with a plus', post(['Content-Length: +5'], 'hello'), 400],
  ['a length with a minus', post(['Content-Length: -5'], 'hello'), 400],
  ['a length in hexadecimal', post(['Content-Length: 0x5'], 'hello'), 400],
  ['a length with a fraction', post(['Content-Length: 5.0'], 'hello'), 400],
  ['a length with an exponent', post(['Content-Length: 5e0'], 'hello'), 400],
  ['a length with a space within', post(['Content-Length: 5 5'], 'hello'), 400],
  ['an empty length', post(['Content-Length:'], 'hello'), 400],
  ['a length that no number holds', post(['Content-Length: 99999999999999999999'], 'hello'), 400],
  ['a list of lengths', post(['Content-Length: 5, 5'], 'hello'), 400],
  ['two equal lengths', post(['Content-Length: 5', 'Content-Length: 5'], 'hello'), 400],
  ['two lengths that differ', post(['Content-Length: 5', 'Content-Length: 6'], 'hello!'), 400],
  ['a length with a comma', post(['Content-Length: 5,'], 'hello'), 400],
  ['a length with a digit above ASCII', post(['Content-Length: \xb2'], 'hello'), 400],
  ['a length ended by a vertical tab', post(['Content-Length: 5\x0b'], 'hello'), 400],
];

const transferEncodings: readonly Case[] = [
  ['chunked', chunked('5\r\nhello\r\n0\r\n\r\n'), { body: 'hello' }],
  ['chunked in capitals', post(['Transfer-Encoding: CHUNKED'], '0\r\n\r\n'), { body: '' }],
  [
    'chunked and a length',
    post(['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    400,
  ],
  [
    'a length and chunked',
    post(['Transfer-Encoding: chunked', 'Content-Length: 5'], '0\r\n\r\n'),
    400,
  ],
  [
    'chunked and a length of 0',
    post(['Transfer-Encoding: chunked', 'Content-Length: 0'], '0\r\n\r\n'),
    400,
  ],
  [
    'chunked in HTTP/1.0',
    lines('POST / HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked') + '0\r\n\r\n',
    400,
  ],
  ['chunked twice in a list', post(['Transfer-Encoding: chunked, chunked'], '0\r\n\r\n'), 400],
  [
    'chunked in two fields',
    post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    400,
  ],
  [
    'chunked and identity in two fields',
    post(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'),
    400,
  ],
  ['identity', post(['Transfer-Encoding: identity'], 'hello'), 501],
  ['gzip and chunked', post(['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'), 501],
  ['chunked and gzip', post(['Transfer-Encoding: chunked, gzip'], '0\r\n\r\n'), 501],
  ['a coding that is not chunked', post(['Transfer-Encoding: xchunked'], '0\r\n\r\n'), 501],
  ['chunked in quotes', post(['Transfer-Encoding: "chunked"'], '0\r\n\r\n'), 501],
  ['chunked with a parameter', post(['Transfer-Encoding: chunked;q=1'], '0\r\n\r\n'), 501],
  ['chunked after a comma', post(['Transfer-Encoding: , chunked'], '0\r\n\r\n'), 501],
  ['an empty Transfer-Encoding', post(['Transfer-Encoding:'], '0\r\n\r\n'), 400],
  ['chunked after a vertical tab', post(['Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'), 400],
  ['chunked after a NUL', post(['Transfer-Encoding: \0chunked'], '0\r\n\r\n'), 400],
];

const chunks: readonly Case[] = [
  ['several chunks', chunked('1\r\na\r\n2\r\nbc\r\n0\r\n\r\n'), { body: 'abc' }],
  ['a size in capitals', chunked('A\r\n0123456789\r\n0\r\n\r\n'), { body: '0123456789' }],
  ['a size with zeros first', chunked('005\r\nhello\r\n0\r\n\r\n'), { body: 'hello' }],
  ['a last chunk of several zeros', chunked('000\r\n\r\n'), { body: '' }],
  ['CRLF as payload', chunked('2\r\n\r\n\r\n0\r\n\r\n'), { body: '\r\n' }],
  ['a request behind', chunked('0\r\n\r\nGET /'), { body: '', next: 'GET /' }],
  ['an extension', chunked('5;a\r\nhello\r\n0\r\n\r\n'), { body: 'hello' }],
  [
    'an extension with a value',
    chunked('5;a=b;c="d;\\"e"\r\nhello\r\n0\r\n\r\n'),
    { body: 'hello' },
  ],
  ['an extension on the last chunk', chunked('0;a=b\r\n\r\n'), { body: '' }],
  ['blanks around an extension', chunked('5 ; a = b\r\nhello\r\n0\r\n\r\n'), { body: 'hello' }],
  ['a space after a size', chunked('5 \r\nhello\r\n0\r\n\r\n'), 400],
  ['a semicolon without a name', chunked('5;\r\nhello\r\n0\r\n\r\n'), 400],
  ['an extension with a quote left open', chunked('5;a="b\r\nhello\r\n0\r\n\r\n'), 400],
  ['an extension with a NUL', chunked('5;a\0b\r\nhello\r\n0\r\n\r\n'), 400],
  ['an extension with a bare LF', chunked('5;a\nb\r\nhello\r\n0\r\n\r\n'), 400],
  ['an extension of 257 bytes', chunked(`5;${'a'.repeat(256)}\r\nhello\r\n0\r\n\r\n`), 400],
  ['many small extensions', chunked(`${'1;abcdefgh\r\nx\r\n'.repeat(600)}0\r\n\r\n`), 400],
  ['an empty size', chunked('\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size with a prefix', chunked('0x5\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size with a plus', chunked('+5\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size with a minus', chunked('-1\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size after a space', chunked(' 5\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size with an underscore', chunked('1_0\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size that is no number', chunked('g\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size of 16 digits', chunked('ffffffffffffffff\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size that wraps at 64 bits', chunked('10000000000000005\r\nhello\r\n0\r\n\r\n'), 400],
  ['a size line ended by LF', chunked('5\nhello\r\n0\r\n\r\n'), 400],
  ['a size line ended by CR', chunked('5\rhello\r\n0\r\n\r\n'), 400],
  ['a chunk without its CRLF', chunked('5\r\nhello0\r\n\r\n'), 400],
  ['a chunk ended by LF', chunked('5\r\nhello\n0\r\n\r\n'), 400],
  ['a chunk longer than its size', chunked('4\r\nhello\r\n0\r\n\r\n'), 400],
  ['a chunk ended by two other bytes', chunked('5\r\nhelloXX0\r\n\r\n'), 400],
  ['a trailer', chunked('0\r\nX-Sum: 1\r\n\r\n'), { body: '' }],
  ['a trailer that says a length', chunked('0\r\nContent-Length: 5\r\n\r\n'), 400],
  ['a trailer that says an encoding', chunked('0\r\nTransfer-Encoding: chunked\r\n\r\n'), 400],
  ['a trailer that says a host', chunked('0\r\nHost: b.example\r\n\r\n'), 400],
  ['a folded trailer', chunked('0\r\nX-A: b\r\n c\r\n\r\n'), 400],
  ['a trailer with a bare LF', chunked('0\r\nX-A: b\nc: d\r\n\r\n'), 400],
  ['a trailer without a colon', chunked('0\r\nGET / HTTP/1.1\r\n\r\n'), 400],
  ['trailers of 16 KiB', chunked(`0\r\nX-A: ${'b'.repeat(16_384)}\r\n\r\n`), 431],
];

const hopByHop: readonly Case[] = [
  ['Connection: close', get('Connection: close'), ok],
  ['Connection naming a field', get('Connection: X-A', 'X-A: b'), ok],
  ['Connection naming Host', get('Connection: host'), 400],
  [
    'Connection naming Content-Length',
    post(['Connection: content-length', 'Content-Length: 5'], 'hello'),
    400,
  ],
  ['Connection naming Authorization', get('Connection: close, Authorization'), 400],
  [
    'Connection naming Cookie in a second field',
    get('Connection: close', 'Connection: cookie'),
    400,
  ],
  [
    'Expect: 100-continue',
    post(['Expect: 100-continue', 'Content-Length: 2'], 'hi'),
    { body: 'hi' },
  ],
  ['another expectation', get('Expect: 200-maybe'), 417],
  ['an upgrade', get('Connection: Upgrade', 'Upgrade: websocket'), ok],
];

const corpus = {
  requestLines,
  targets,
  hosts,
  fields,
  lengths,
  transferEncodings,
  chunks,
  hopByHop,
};

for (const [group, cases] of Object.entries(corpus)) {
  test(`requests: ${group}`, () => {
    for (const [name, message, outcome] of cases) {
      assert.deepEqual(
        read(message, outcome),
        outcome,
        `${name}: ${JSON.stringify(message.slice(0, 80))}`,
      );
    }
  });
}

test('the corpus covers at least 150 requests, each named once', () => {
  const names = Object.values(corpus).flatMap((cases) => cases.map(([name]) => name));
  assert.ok(names.length >= 150, `${names.length} cases`);
  assert.equal(new Set(names).size, names.length);
});

test('a head says what Connection, Upgrade, Expect and the version mean together', () => {
  const head = (text: string): RequestHead => parseRequestHead(text, defaultLimits);
  assert.equal(head(get()).isPersistent, true);
  assert.equal(head(get('Connection: Close')).isPersistent, false);
  assert.equal(
    head(lines('GET / HTTP/1.0', 'Host: a', 'Connection: keep-alive')).isPersistent,
    false,
  );
  assert.equal(head(get('Upgrade: websocket')).upgrade, undefined);
  assert.equal(
    head(get('Upgrade: websocket', 'Connection: keep-alive, Upgrade')).upgrade,
    'websocket',
  );
  assert.equal(head(get('Expect: 100-Continue')).expectsContinue, true);
  assert.equal(
    head(lines('GET / HTTP/1.0', 'Host: a', 'Expect: 100-continue')).expectsContinue,
    false,
  );
  assert.equal(head(get('X-A:  b c\t')).fields.get('x-a'), 'b c');
  assert.equal(head(get('X-A:  b c\t')).fields.line(1), 'X-A:  b c\t\r\n');
});

/** What the parser makes of one message, in the terms of `asked`. */
function read(message: string, asked: Outcome): Outcome {
  let target = '';
  let body = '';
  let isEnded = false;
  const parser = new MessageParser(defaultLimits, {
    onHead(text) {
      const head = parseRequestHead(text, defaultLimits);
      target = head.target;
      return head.bodyLength;
    },
    onData: (data) => {
      body += data.toString('latin1');
    },
    onEnd: () => {
      isEnded = true;
    },
  });
  try {
    const next = parser.write(Buffer.from(message, 'latin1'))?.toString('latin1') ?? '';
    if (!isEnded) parser.finish();
    const all = { body, target, next };
    if (typeof asked === 'number') return all;
    assert.equal(next, asked.next ?? '', message.slice(0, 80));
    return Object.fromEntries(Object.entries(all).filter(([key]) => Object.hasOwn(asked, key)));
  } catch (error) {
    if (error instanceof ProtocolError) return error.status;
    throw error;
  }
}
