import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { run } from '#test/support/platform.ts';
import { clientsCache, sitDown } from './desk.ts';

const program = path.join(clientsCache(), 'client-go');

before(async () => {
  const build = ['go', 'build', '-o', program, '.'] as const;
  const cwd = path.join(import.meta.dirname, 'go');
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false' };
  const outcome = await run(build, { cwd, env, timeoutMs: 600_000 });
  assert.equal(outcome.code, 0, outcome.stderr);
});

const tours = {
  typed: 'create, watch, three patches, conflicts, apply, pages, deletes',
  protobuf: 'the same with bodies in protobuf',
  dynamic: 'version, discovery, REST mapping, kinds without a Go type, metadata alone',
  election: 'a lease goes from one leader to the next',
  restricted: 'a token that may only read; eviction',
};

for (const [tour, what] of Object.entries(tours)) {
  test(`client-go, ${tour}: ${what}`, async () => {
    await using desk = await sitDown();
    const outcome = await run([program, tour], { env: desk.env, timeoutMs: 55_000 });
    assert.equal(outcome.code, 0, outcome.stderr);
  });
}
