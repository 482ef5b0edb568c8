import assert from 'node:assert/strict';
import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { platform, run, startPlatform } from '#test/support/platform.ts';

test('a taken port is an error that names the flag and who has it', async () => {
  await using it = platform();
  const other = net.createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const outcome = await it.knode('up', '-d', '--http-port', '0', '--api-port', String(port));
  other.close();
  assert.equal(outcome.code, 1);
  assert.match(
    outcome.stderr,
    new RegExp(
      `^knode: Cannot listen on port ${port}: .+ \\(process ${process.pid}\\) has it; stop it, or choose another port with --api-port PORT$`,
      'm',
    ),
  );
});

test('a second up on the same home is refused, and the first goes on', async () => {
  await using it = await startPlatform();
  const second = await it.knode('up', ...it.ports);
  assert.equal(second.code, 1);
  assert.match(
    second.stderr,
    /knode runs already with the state in .+ \(process \d+\); see it with/,
  );
  assert.equal((await it.knode('status')).code, 0);
});

test('without root, up says what it needs', async () => {
  await using it = platform();
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] as const;
  // The clone itself may be readable by root alone; what counts is what the program says.
  const outcome = await run([...nobody, './knode', 'up'], { env: it.env });
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /'up' needs root, because it makes containers.*run 'sudo .*up'/);
});

test('without runc, up says which package to install', async () => {
  await using it = platform();
  // Hidden in a mount namespace of this run's own; everybody else keeps theirs.
  const hidden = 'mount --bind /dev/null "$(command -v runc)" && exec ./knode up';
  const env = { ...it.env, KNODE_INSTALL: 'never' };
  const outcome = await run(['unshare', '--mount', 'sh', '-c', hidden], { env });
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /these system packages are missing: runc/);
  assert.match(outcome.stderr, /apt-get install runc/);
});

test('commands on a home without a platform say so', async () => {
  await using it = platform();
  assert.match((await it.knode('list')).stderr, /knode has not been started with this state/);
  assert.match((await it.knode('status')).stderr, /knode is not running with the state in/);
  assert.match((await it.knode('curl', 'x')).stderr, /run 'knode up' first/);
});
