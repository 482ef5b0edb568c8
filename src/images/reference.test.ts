import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageError } from './image.ts';
import { formatReference, parseReference, repositoryOf } from './reference.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

function check(text: string, expected: string): void {
  assert.equal(formatReference(parseReference(text)), expected, text);
}

test('reference: completes what is left out as docker does', () => {
  check('nginx', 'docker.io/library/nginx:latest');
  check('nginx:1.27', 'docker.io/library/nginx:1.27');
  check('bitnami/nginx', 'docker.io/bitnami/nginx:latest');
  check('docker.io/nginx', 'docker.io/library/nginx:latest');
  check('index.docker.io/library/nginx:1', 'docker.io/library/nginx:1');
  check('localhost/hello', 'localhost/hello:latest');
  check('localhost:5000/hello', 'localhost:5000/hello:latest');
  check('localhost:5000/a/b/c:v1', 'localhost:5000/a/b/c:v1');
  check('[::1]:5000/hello', '[::1]:5000/hello:latest');
  check('ghcr.io/knative/helloworld-go:latest', 'ghcr.io/knative/helloworld-go:latest');
  check('gcr.io/a__b/c-d.e_f', 'gcr.io/a__b/c-d.e_f:latest');
  check('UPPER/hello', 'UPPER/hello:latest');
});

test('reference: a digest stands for itself, and a tag beside it is kept', () => {
  check(`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`);
  check(`localhost:5000/hello:v1@${DIGEST}`, `localhost:5000/hello:v1@${DIGEST}`);
  assert.equal(repositoryOf(parseReference(`nginx@${DIGEST}`)), 'docker.io/library/nginx');
});

test('reference: what is none is refused with the part that is wrong', () => {
  for (const [text, part] of [
    ['', 'empty'],
    ['Nginx', 'repository'],
    ['nginx:', 'tag'],
    ['nginx:a b', 'tag'],
    [`nginx:${'t'.repeat(129)}`, 'tag'],
    ['nginx@sha256:abc', 'digest'],
    [`nginx@sha512:${'a'.repeat(128)}`, 'digest'],
    ['http://localhost/hello', 'host'],
    ['localhost:5000/', 'repository'],
    ['localhost:port/hello', 'host'],
    ['exa_mple.com/hello', 'host'],
    ['a//b', 'repository'],
    ['a/../b', 'repository'],
    ['localhost:5000/../../etc', 'repository'],
    [`a/${'b'.repeat(300)}`, 'repository'],
  ] as const)
    assert.throws(
      () => parseReference(text),
      (error) =>
        error instanceof ImageError && error.reason === 'Invalid' && error.message.includes(part),
      text,
    );
});
