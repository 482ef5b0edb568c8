import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { makeKey } from '#base/x509/certificate.ts';
import { makeAuthority } from '#test/support/test-authority.ts';
import { AcmeClient } from './acme-client.ts';
import { AcmeError } from './acme-error.ts';
import { CHALLENGE_PATH, ChallengeResponder } from './challenge-responder.ts';

// What a server does when all is well, test/e2e/certificates.test.ts asks a real one.

const { signal } = new AbortController();

interface Asked {
  readonly path: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: string;
}

interface Server extends AsyncDisposable {
  readonly origin: string;
  readonly client: AcmeClient;
  readonly asked: Asked[];
}

type Answer = (asked: Asked, response: http.ServerResponse) => void;

/** A server that answers what it is asked by POST with `answer`; an account is always there. */
async function acmeServer(answer: Answer): Promise<Server> {
  const authority = makeAuthority();
  const { certificate: cert, key } = authority.serverFor('127.0.0.1');
  const asked: Asked[] = [];
  let nonces = 0;
  const listener: http.RequestListener = (request, response) => {
    const origin = `https://${request.headers.host}`;
    response.setHeader('replay-nonce', `nonce-${(nonces += 1)}`);
    const path = request.url ?? '';
    if (path === '/dir') {
      const at = (name: string): string => `${origin}/${name}`;
      const [newNonce, newAccount, newOrder] = [at('nonce'), at('account'), at('order')];
      response.end(JSON.stringify({ newNonce, newAccount, newOrder }));
    } else if (request.method === 'HEAD') response.end();
    else {
      void text(request).then((body) => {
        const { protected: head, payload } = JSON.parse(body) as Record<string, string>;
        const header = JSON.parse(decoded(head)) as Asked['header'];
        const one = { path, header, payload: decoded(payload) };
        asked.push(one);
        if (path !== '/account') return answer(one, response);
        response.setHeader('location', `${origin}/account/1`);
        response.end('{}');
      });
    }
  };
  const server = createServer({ cert, key }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new AcmeClient({
    directory: `${origin}/dir`,
    roots: authority.certificate,
    email: 'ops@example.com',
    accountKey: makeKey(),
    clock: new FakeClock(),
  });
  return {
    origin,
    client,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function decoded(part = ''): string {
  return Buffer.from(part, 'base64url').toString();
}

function refuse(response: http.ServerResponse, status: number, problem: object): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify(problem));
}

const error = (type: string): string => `urn:ietf:params:acme:error:${type}`;

test('acme: a nonce that got old is no failure, and a server that takes none is', async () => {
  let refusals = 2;
  await using server = await acmeServer(({ path }, response) => {
    if ((refusals -= 1) >= 0) return refuse(response, 400, { type: error('badNonce') });
    response.setHeader('location', `https://${response.req.headers.host}/order/1`);
    const order = { status: 'pending', authorizations: [], finalize: `https://x.test${path}` };
    response.end(JSON.stringify(order));
  });
  const order = await server.client.newOrder(['a.example.com'], signal);
  assert.deepEqual([order.status, order.url], ['pending', `${server.origin}/order/1`]);
  const orders = server.asked.filter(({ path }) => path === '/order');
  assert.equal(orders.length, 3);
  assert.equal(new Set(orders.map(({ header }) => header['nonce'])).size, 3);
  const [account] = server.asked;
  assert.deepEqual(JSON.parse(account?.payload ?? ''), {
    termsOfServiceAgreed: true,
    contact: ['mailto:ops@example.com'],
  });
  assert.equal(orders[0]?.header['kid'], `${server.origin}/account/1`);
  refusals = 1_000;
  await assert.rejects(server.client.newOrder(['a.example.com'], signal), { type: 'badNonce' });
});

test('acme: a refusal has the words of the server, and when to come again', async () => {
  await using server = await acmeServer((_asked, response) => {
    response.setHeader('retry-after', '7200');
    const subproblems = [{ detail: 'b.example.com is not for you' }];
    const detail = 'too many certificates already issued';
    refuse(response, 429, { type: error('rateLimited'), detail, subproblems });
  });
  await assert.rejects(server.client.newOrder(['b.example.com'], signal), (found) => {
    assert.ok(found instanceof AcmeError);
    const message = 'too many certificates already issued; b.example.com is not for you';
    const { type, status, retryAfterMs } = found;
    assert.deepEqual(
      [found.message, type, status, retryAfterMs],
      [message, 'rateLimited', 429, 7_200_000],
    );
    return true;
  });
});

test('acme: an account that the server forgot is made anew', async () => {
  let hasForgotten = true;
  await using server = await acmeServer((_asked, response) => {
    if (hasForgotten) {
      hasForgotten = false;
      return refuse(response, 400, { type: error('accountDoesNotExist') });
    }
    response.end('-----BEGIN CERTIFICATE-----');
  });
  const pem = await server.client.certificate(`${server.origin}/certificate/1`, signal);
  assert.equal(pem, '-----BEGIN CERTIFICATE-----');
  assert.equal(server.asked.filter(({ path }) => path === '/account').length, 2);
});

test('acme: nothing is signed for another server, and answers have a limit and a shape', async () => {
  const answers = ['x'.repeat(1024 * 1024 + 1), '[1', '{"status":"happy"}'];
  await using server = await acmeServer((_asked, response) => void response.end(answers.shift()));
  const { client, origin } = server;
  const order = (url: string): Promise<unknown> => client.order(url, signal);
  await assert.rejects(order('https://elsewhere.test/order/1'), {
    message: `https://elsewhere.test is no part of the server at ${origin}/dir`,
  });
  const paths = server.asked.map(({ path }) => path);
  assert.deepEqual(paths, ['/account']);
  await assert.rejects(order(`${origin}/order/1`), /does not answer: more than 1048576 bytes/);
  await assert.rejects(order(`${origin}/order/1`), /answered with no JSON: \[1/);
  await assert.rejects(order(`${origin}/order/1`), /has the status "happy"/);
});

test('acme: challenges are answered for the account, and nothing else is', async () => {
  await using responder = new ChallengeResponder('127.0.0.1');
  const { address, port } = await responder.answerFor('print');
  assert.deepEqual(await responder.answerFor('print'), { address, port });
  const ask = async (path: string): Promise<[number | undefined, string]> => {
    const request = http.get({ host: address, port, path, agent: false });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return [response.statusCode, await text(response)];
  };
  assert.deepEqual(await ask(`${CHALLENGE_PATH}abc-_1`), [200, 'abc-_1.print']);
  for (const path of ['/', CHALLENGE_PATH, `${CHALLENGE_PATH}a/b`, `${CHALLENGE_PATH}a%20b`])
    assert.equal((await ask(path))[0], 404, path);
});
