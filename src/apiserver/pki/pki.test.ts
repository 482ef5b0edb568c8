import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import tls from 'node:tls';
import { parse } from 'yaml';
import { systemClock } from '#base/clock.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { kubeconfigText } from '#apiserver/pki/kubeconfig.ts';
import { openPki } from '#apiserver/pki/pki.ts';
import { serverNames } from '#apiserver/pki/server-names.ts';

const names = serverNames({
  clusterDomain: 'cluster.local',
  addresses: ['10.96.0.1', 'fd00::a:1'],
});
const admin = { commonName: 'knode-admin', organizations: ['system:masters'] };

const homes: string[] = [];
after(async () => {
  for (const home of homes) await rm(home, { recursive: true });
});
async function newHome(): Promise<string> {
  const home = await mkdtemp(path.join(tmpdir(), 'knode-pki-'));
  homes.push(home);
  return home;
}

test('pki: server and client know each other by its certificates alone', async () => {
  const pki = await openPki({ home: await newHome(), clock: systemClock });
  const server = await pki.server(names);
  const client = await pki.client('admin', admin);
  const listener = tls.createServer({
    cert: server.certificate,
    key: server.key,
    ca: pki.authority,
    requestCert: true,
    rejectUnauthorized: true,
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  for (const servername of ['localhost', 'kubernetes.default.svc.cluster.local']) {
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      servername,
      ca: pki.authority,
      cert: client.certificate,
      key: client.key,
    });
    const [[peer]] = await Promise.all([
      once(listener, 'secureConnection') as Promise<[tls.TLSSocket]>,
      once(socket, 'secureConnect'),
    ]);
    assert.equal(socket.authorized, true);
    assert.equal(peer.authorized, true);
    const { subject } = peer.getPeerCertificate();
    assert.deepEqual({ ...subject }, { O: 'system:masters', CN: 'knode-admin' });
    socket.destroy();
  }
  listener.close();
  await once(listener, 'close');
});

test('pki: the certificates say what they are for', async () => {
  const pki = await openPki({ home: await newHome(), clock: systemClock });
  const authority = new X509Certificate(pki.authority);
  const server = new X509Certificate((await pki.server(names)).certificate);
  assert.equal(authority.ca, true);
  assert.equal(server.ca, false);
  assert.equal(server.checkIssued(authority), true);
  assert.equal(server.verify(authority.publicKey), true);
  assert.equal(server.checkIP('fd00::a:1'), 'fd00::a:1');
  assert.equal(server.checkIP('10.96.0.2'), undefined);
  assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  const two = { commonName: 'ü, "x"', organizations: ['a', 'b'] };
  const client = new X509Certificate((await pki.client('two', two)).certificate);
  assert.deepEqual({ ...client.toLegacyObject().subject }, { O: ['a', 'b'], CN: 'ü, "x"' });
});

test('pki: the next start uses what is there, readable by the owner alone', async () => {
  const home = await newHome();
  const open = async (): Promise<unknown> => {
    const pki = await openPki({ home, clock: systemClock });
    return [
      pki.authority,
      await pki.server(names),
      await pki.client('admin', admin),
      await pki.tokenKey(),
    ];
  };
  assert.deepEqual(await open(), await open());
  for (const file of ['ca', 'apiserver', 'admin', 'service-account']) {
    const { mode } = await stat(path.join(home, 'pki', `${file}.pem`));
    assert.equal(mode & 0o777, 0o600, file);
  }
  assert.equal((await stat(path.join(home, 'pki'))).mode & 0o777, 0o700);
});

test('pki: the server certificate is made anew for other names and before its end', async () => {
  const home = await newHome();
  const clock = new FakeClock('2026-01-01T00:00:00Z');
  const pki = await openPki({ home, clock });
  const first = await pki.server(names);
  const others = await pki.server([...names, '10.1.2.3']);
  assert.notDeepEqual(others, first);
  const fewer = await pki.server(names);
  assert.notDeepEqual(fewer, others);
  clock.advance(300 * 24 * 3600 * 1000);
  assert.deepEqual(await pki.server(names), fewer);
  clock.advance(30 * 24 * 3600 * 1000);
  assert.notDeepEqual(await pki.server(names), fewer);
});

test('pki: certificates of another authority are not used', async () => {
  const home = await newHome();
  const before = await openPki({ home, clock: systemClock });
  const old = await before.client('admin', admin);
  await rm(path.join(home, 'pki', 'ca.pem'));
  const pki = await openPki({ home, clock: systemClock });
  assert.notDeepEqual(await pki.client('admin', admin), old);
});

test('pki: a damaged file is an error that names it and is not overwritten', async () => {
  const home = await newHome();
  await openPki({ home, clock: systemClock });
  const file = path.join(home, 'pki', 'ca.pem');
  const text = await readFile(file, 'utf8');
  for (const damaged of ['', text.slice(0, 100), text.replace('MIG', 'MIH')]) {
    await writeFile(file, damaged);
    await assert.rejects(
      openPki({ home, clock: systemClock }),
      (error: Error) => error.message.includes(file) && /restore it/.test(error.message),
    );
    assert.equal(await readFile(file, 'utf8'), damaged);
  }
});

test('kubeconfig: holds what a client needs', async () => {
  const pki = await openPki({ home: await newHome(), clock: systemClock });
  const client = await pki.client('admin', admin);
  const text = kubeconfigText({
    server: 'https://127.0.0.1:6443',
    authority: pki.authority,
    client,
  });
  const config = parse(text) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const decoded = (value = ''): string => Buffer.from(value, 'base64').toString();
  const cluster = config.clusters[0]?.cluster ?? {};
  assert.equal(decoded(cluster['certificate-authority-data']), pki.authority);
  assert.equal(decoded(config.users[0]?.user['client-key-data']), client.key);
});
