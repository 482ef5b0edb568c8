import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserRequest } from '#apiserver/route.ts';
import { platformUser, type User } from '#apiserver/user.ts';
import { at, startWire } from '#test/support/wire.ts';

const user = (name: string): User => ({ name, groups: ['system:authenticated'] });
const MAPS = '/api/v1/namespaces/default/configmaps';

/** A server whose `/slow` answers when it is told to. */
async function slowWire(limits: { writing: number; waiting: number }) {
  const asked: UserRequest[] = [];
  const answers: (() => void)[] = [];
  const wire = await startWire({
    limits,
    routes: [
      {
        matches: (_method, path) => path === '/slow',
        async handle(request) {
          asked.push(request);
          await new Promise<void>((resolve) => answers.push(resolve));
          return { status: 200, headers: {}, body: '{}' };
        },
      },
    ],
  });
  return { wire, asked, answers };
}

test('in flight: one client cannot keep another from its turn, nor anybody an administrator', async () => {
  const { wire, asked, answers } = await slowWire({ writing: 4, waiting: 3 });
  await using _ = wire;
  const slow = (who: User) => wire.send('POST', '/slow', {}, { user: who });
  const noisy = Array.from({ length: 6 }, () => slow(user('noisy')));
  const refused = await noisy[5];
  assert.equal(refused?.status, 429);
  assert.equal(refused?.headers['retry-after'], '1');
  assert.equal(at(refused?.body, 'reason'), 'TooManyRequests');
  assert.equal(asked.length, 2, 'half of the seats');
  const map = { metadata: { name: 'a' } };
  assert.equal((await wire.send('POST', MAPS, map, { user: user('quiet') })).status, 201);
  const others = [slow(user('b')), slow(user('b'))];
  assert.equal((await wire.send('DELETE', `${MAPS}/a`, {}, { user: platformUser })).status, 200);
  const health = await wire.server.handle({
    method: 'GET',
    target: '/readyz?verbose',
    headers: {},
    signal: new AbortController().signal,
    user: user('noisy'),
  });
  assert.equal(health.status, 404, 'this server has no such route, but nobody waited');
  while (answers.length > 0) {
    answers.splice(0).forEach((answer) => answer());
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const statuses = (await Promise.all([...noisy, ...others])).map(({ status }) => status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 200, 200]);
});

test('in flight: a watch holds its place until it ends', async () => {
  await using wire = await startWire({ limits: { streaming: 2 } });
  const first = wire.watch(`${MAPS}?watch=1`, { user: user('a') });
  await wire.send('POST', MAPS, { metadata: { name: 'a' } });
  await first.next();
  const target = `${MAPS}?watch=true&resourceVersion=1`;
  assert.equal((await wire.send('GET', target, undefined, { user: user('a') })).status, 429);
  const other = wire.watch(`${MAPS}?watch=1`, { user: user('b') });
  await other.next();
  await other.return();
  await first.return();
  const again = wire.watch(`${MAPS}?watch=1`, { user: user('a') });
  await again.next();
  await again.return();
});
