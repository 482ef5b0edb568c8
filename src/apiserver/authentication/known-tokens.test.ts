import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownTokens } from '#apiserver/authentication/known-tokens.ts';

test('known tokens: a signature is looked at once, its time each time', async () => {
  const asked: string[] = [];
  let now = 100;
  const verify = knownTokens(
    (token) => {
      asked.push(token);
      return Promise.resolve(token === 'forged' ? undefined : { sub: token, nbf: 50, exp: 200 });
    },
    () => now,
  );
  assert.equal((await verify('a'))?.sub, 'a');
  assert.equal((await verify('a'))?.sub, 'a');
  assert.deepEqual(asked, ['a']);
  now = 49;
  assert.equal(await verify('a'), undefined, 'a clock that was set back');
  now = 100;
  assert.equal((await verify('a'))?.sub, 'a');
  now = 200;
  assert.equal(await verify('a'), undefined, 'expired');
  assert.equal(await verify('forged'), undefined);
  assert.equal(await verify('forged'), undefined);
});

test('known tokens: a thousand are known, and whoever makes up more makes nobody else unknown for long', async () => {
  let count = 0;
  const verify = knownTokens(
    (token) => {
      count += 1;
      return Promise.resolve({ sub: token, exp: 200 });
    },
    () => 100,
  );
  for (let at = 0; at < 1_001; at += 1) await verify(`token-${at}`);
  assert.equal(count, 1_001);
  await verify('token-1000');
  assert.equal(count, 1_001, 'the newest is known');
  await verify('token-0');
  assert.equal(count, 1_002, 'the oldest was forgotten');
});
