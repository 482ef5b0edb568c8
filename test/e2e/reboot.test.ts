import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { tracesOf } from '#test/support/machine-traces.ts';
import { kubectlClients } from '#test/support/kubectl-client.ts';
import { call, platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';
import { portFlags, simulateReboot } from '#test/support/simulated-reboot.ts';

/** A pod with files on disk and in memory, whose program says what it finds of both. */
function pod(name: string, image: string): object {
  const script = `
    const fs = require('node:fs');
    const kept = fs.existsSync('/disk/kept');
    fs.writeFileSync('/disk/kept', '');
    fs.writeFileSync('/memory/there', '');
    require('node:http').createServer((q, s) => s.end(JSON.stringify({ kept,
      config: fs.readFileSync('/config/color', 'utf8') }))).listen(8080);`;
  const volumes = {
    disk: { emptyDir: {} },
    memory: { emptyDir: { medium: 'Memory' } },
    config: { configMap: { name: 'colors' } },
  };
  const names = Object.keys(volumes);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 1,
      volumes: Object.entries(volumes).map(([key, volume]) => ({ name: key, ...volume })),
      containers: [
        {
          name: 'main',
          image,
          command: ['node', '-e', script],
          volumeMounts: names.map((key) => ({ name: key, mountPath: `/${key}` })),
          readinessProbe: { httpGet: { port: 8080 } },
        },
      ],
    },
  };
}

test('a reboot: the state converges, pods run again with their files, and nothing is left over', async () => {
  await using it = platform();
  const started = await it.knode('up', '-d', ...it.ports);
  assert.equal(started.code, 0, started.stderr);
  const image = await sampleImage(it);
  const colors = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'colors' } };
  const items = [
    { ...colors, data: { color: 'green' } },
    pod('one', image),
    pod('two', image),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'one' },
      spec: { selector: { app: 'one' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ];
  await it.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await it.ok(['wait', 'pod/one', 'pod/two', '--for=condition=Ready', '--timeout=60s']);
  const deploy = await it.knode('deploy', 'hello', '--image', image);
  assert.equal(deploy.code, 0, deploy.stderr);
  assert.equal((await call(deploy.stdout.trim())).status, 200);
  await it.ok(['delete', 'pod', 'two', '--wait=false']);

  const ports = portFlags(it.home);
  await simulateReboot(it.home);
  assert.deepEqual(await tracesOf(it.home), [], 'this would be no reboot');
  // What nobody knows any more: a pod whose record was not on disk yet.
  const lost = path.join(it.home, 'agent/pods/11111111-1111-1111-1111-111111111111');
  mkdirSync(lost);

  const again = await it.knode('up', '-d', ...ports);
  assert.equal(again.code, 0, again.stderr);
  await it.ok(['wait', 'pod/two', '--for=delete', '--timeout=60s']);
  const runs = '{.status.containerStatuses[0].restartCount}';
  await it.ok(['wait', 'pod/one', `--for=jsonpath=${runs}=1`, '--timeout=60s']);
  await it.ok(['wait', 'pod/one', '--for=condition=Ready', '--timeout=60s']);
  for (const client of kubectlClients(() => it)) {
    assert.match(await client.ok(['get', 'pod', 'one', '--no-headers']), / 1\/1 +Running +1 /);
    const described = await client.ok(['describe', 'pod', 'one']);
    assert.match(described, /Last State: +Terminated\n +Reason: +ContainerStatusUnknown/);
  }
  const clusterIp = await it.ok(['get', 'svc', 'one', '-o', 'jsonpath={.spec.clusterIP}']);
  const reply = await fetch(`http://${clusterIp}/`, { signal: AbortSignal.timeout(10_000) });
  assert.deepEqual(await reply.json(), { kept: true, config: 'green' });
  assert.equal((await call(deploy.stdout.trim())).status, 200);

  assert.ok(!existsSync(lost));
  const uids = (
    await it.ok(['get', 'pods', '-A', '-o', 'jsonpath={.items[*].metadata.uid}'])
  ).split(' ');
  const folders = readdirSync(path.join(it.home, 'agent/pods'));
  // Prepared sandboxes have a folder and no object.
  assert.deepEqual(
    uids.filter((uid) => !folders.includes(uid)),
    [],
  );
  await it.knode('down', '--wipe');
  assert.deepEqual(await tracesOf(it.home), []);
});
