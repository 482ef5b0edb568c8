import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialsFor, parseDockerConfig } from './docker-config.ts';
import { ImageError } from '../image.ts';
import { parseReference } from '../reference.ts';

function configOf(auths: Readonly<Record<string, string>>): ReturnType<typeof parseDockerConfig> {
  const entries = Object.entries(auths).map(([key, username]) => [
    key,
    { auth: Buffer.from(`${username}:p:w`).toString('base64') },
  ]);
  return parseDockerConfig(JSON.stringify({ auths: Object.fromEntries(entries) }));
}

function usersFor(image: string, auths: Readonly<Record<string, string>>): readonly string[] {
  return credentialsFor(parseReference(image), [configOf(auths)]).map(({ username }) => username);
}

test('docker config: both forms are read, with the password as it is', () => {
  const auth = Buffer.from('u:p:w').toString('base64');
  const wanted = new Map([['example.com', { username: 'u', password: 'p:w' }]]);
  assert.deepEqual(parseDockerConfig(`{"auths":{"example.com":{"auth":"${auth}"}}}`), wanted);
  assert.deepEqual(parseDockerConfig(`{"example.com":{"auth":"${auth}","email":"x"}}`), wanted);
  const plain = '{"auths":{"example.com":{"username":"u","password":"p:w"},"empty":{}}}';
  assert.deepEqual(parseDockerConfig(plain), wanted);
});

test('docker config: nonsense is refused without a word of what it holds', () => {
  for (const text of ['secret', '[]', '"secret"', `{"a":"${'x'.repeat(1024 * 1024)}"}`])
    assert.throws(
      () => parseDockerConfig(text),
      (error) =>
        error instanceof ImageError &&
        !/secret|xxx/.test(`${error.message} ${String(error.cause)}`),
    );
});

test('docker config: the most particular entry comes first, others after it, strangers never', () => {
  assert.deepEqual(
    usersFor('example.com/team/app', {
      'example.com': 'host',
      'https://example.com/team': 'path',
      '*.com': 'glob',
      'example.com/other': 'other',
      'example.com:5000': 'port',
      'www.example.com': 'longer',
    }),
    ['path', 'host', 'glob'],
  );
  assert.deepEqual(usersFor('nginx', { 'https://index.docker.io/v1/': 'hub' }), ['hub']);
  assert.deepEqual(usersFor('reg.eu.example.com/a', { 'r*g.*.example.com': 'glob' }), ['glob']);
  assert.deepEqual(usersFor('aXexample.com/a', { 'a.example.com': 'dot' }), []);
  assert.deepEqual(usersFor('a.b.example.com/a', { '*.example.com': 'one label' }), []);
});
