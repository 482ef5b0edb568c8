import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { temporaryFolder } from '#test/support/image-fixture.ts';
import { fileServer } from './serve-files.ts';

interface Reply {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

interface Site extends AsyncDisposable {
  /** Sends the target as it stands: no client may tidy it. */
  ask(target: string, options?: http.RequestOptions): Promise<Reply>;
}

async function site(root: string): Promise<Site> {
  const server = fileServer(root).listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server has such an address.
  const { port } = server.address() as AddressInfo;
  return {
    async ask(target, options = {}) {
      const request = http.request({ host: '127.0.0.1', port, agent: false, ...options });
      request.path = target;
      request.end();
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      const { statusCode: status, headers } = response;
      return { status, headers, body: await text(response) };
    },
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

test('file server: files by type, folders by their index, ranges', async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  await mkdir(path.join(root, 'a b'));
  await mkdir(path.join(root, '.well-known'));
  await writeFile(path.join(root, 'index.html'), '<p>');
  await writeFile(path.join(root, 'a b/index.html'), 'below');
  await writeFile(path.join(root, 'app.js'), '0123456789');
  await writeFile(path.join(root, 'empty.css'), '');
  await writeFile(path.join(root, '.well-known/x.json'), '{}');
  await using pages = await site(root);
  const index = await pages.ask('/?query');
  assert.deepEqual([index.status, index.body], [200, '<p>']);
  assert.equal(index.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal((await pages.ask('/a%20b/')).body, 'below');
  const moved = await pages.ask('/a%20b?x=1');
  assert.deepEqual([moved.status, moved.headers.location], [301, 'a%20b/?x=1']);
  const head = await pages.ask('/app.js', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '10', '']);
  assert.equal((await pages.ask('/empty.css')).status, 200);
  assert.equal((await pages.ask('/.well-known/x.json')).body, '{}');
  for (const [range, status, body, told] of [
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
    ['bytes=10-', 416, 'no such bytes\n', 'bytes */10'],
    ['bytes=-0', 416, 'no such bytes\n', 'bytes */10'],
    ['bytes=4-2', 200, '0123456789', undefined],
    ['bytes=0-1,3-4', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
  ] as const) {
    const reply = await pages.ask('/app.js', { headers: { range } });
    const found = [reply.status, reply.body, reply.headers['content-range']];
    assert.deepEqual(found, [status, body, told], range);
  }
});

test('file server: nothing outside, nothing hidden, nothing but reading', async () => {
  await using folder = await temporaryFolder();
  const root = path.join(folder.path, 'site');
  await mkdir(path.join(root, 'sub'), { recursive: true });
  await writeFile(path.join(folder.path, 'secret'), 'secret');
  await writeFile(path.join(root, '.env'), 'secret');
  await writeFile(path.join(root, 'sub/page.txt'), 'page');
  await symlink('../secret', path.join(root, 'out'));
  await symlink('sub/page.txt', path.join(root, 'in'));
  await symlink('loop', path.join(root, 'loop'));
  await using pages = await site(root);
  assert.equal((await pages.ask('/in')).body, 'page');
  for (const target of [
    '/../secret',
    '/sub/../../secret',
    '/%2e%2e/secret',
    '/..%2fsecret',
    '/sub/%2e%2e%2f%2e%2e%2fsecret',
    '/out',
    '/loop',
    '/.env',
    '/sub/',
    '/sub/page.txt/',
    '/sub/page.txt/more',
    '/a%00b',
    '/%ff',
    `/${'a'.repeat(300)}`,
  ]) {
    const { status, body } = await pages.ask(target);
    assert.deepEqual([status, body], [404, 'not found\n'], target);
  }
  const post = await pages.ask('/in', { method: 'POST' });
  assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
});
