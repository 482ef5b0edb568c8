import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenge } from './registry-auth.ts';

test('challenge: reads what registries send', () => {
  const bearer =
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull"';
  assert.deepEqual(parseChallenge(bearer), {
    scheme: 'bearer',
    parameters: {
      realm: 'https://auth.docker.io/token',
      service: 'registry.docker.io',
      scope: 'repository:library/nginx:pull',
    },
  });
  assert.deepEqual(parseChallenge('basic Realm=plain'), {
    scheme: 'basic',
    parameters: { realm: 'plain' },
  });
  assert.deepEqual(parseChallenge('Bearer realm="a, b=c" , error=x')?.parameters, {
    realm: 'a, b=c',
    error: 'x',
  });
  assert.equal(parseChallenge('Negotiate'), undefined);
  assert.equal(parseChallenge(''), undefined);
});
