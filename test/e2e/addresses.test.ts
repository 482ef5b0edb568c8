import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { ensureRanges } from '#agent/network/ranges.ts';
import { instanceOf, networkFileOf } from '#supervisor/settings.ts';
import { oldKubectl } from '#test/support/clients-cache.ts';
import { pidOf, platform, run, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/** Control is started five times. */
const BOUND = { timeout: 180_000 };
const SERVER = `require('node:http').createServer((q, s) => s.end(require('node:os').hostname())).listen(8080)`;

async function createPods(it: Platform, image: string, names: readonly string[]): Promise<void> {
  const items = names.map((name) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'main',
          image,
          command: ['node', '-e', SERVER],
          readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    },
  }));
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const deadline = AbortSignal.timeout(60_000);
  // Control may be dead at the moment.
  while ((await it.kubectl(['apply', '-f', '-'], { input: list })).code !== 0)
    assert.ok(!deadline.aborted, 'the pods could not be made');
}

async function ready(it: Platform, names: readonly string[], seconds = 60): Promise<void> {
  const pods = names.map((name) => `pod/${name}`);
  await it.ok(['wait', ...pods, '--for=condition=Ready', `--timeout=${seconds}s`]);
}

/** By name, of the pods that have one. */
async function addressesOf(it: Platform): Promise<Map<string, string>> {
  const each = '{.metadata.name} {.status.podIP}{"\\n"}';
  const lines = await it.ok(['get', 'pods', '-o', `jsonpath={range .items[*]}${each}{end}`]);
  const pairs = lines
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  return new Map(pairs.flatMap(([name = '', address = '']) => (address ? [[name, address]] : [])));
}

test(
  'addresses: when all are taken, a pod waits and says so; the next one free is its own',
  BOUND,
  async () => {
    await using it = platform();
    // Five addresses, as a person might write it who has no more.
    const file = networkFileOf(it.home);
    mkdirSync(path.dirname(file), { recursive: true });
    const ranges = await ensureRanges(file, instanceOf(it.home));
    const small = { ...ranges, pods: ranges.pods.replace('/16', '/29') };
    writeFileSync(file, JSON.stringify(small));
    const up = await it.knode('up', '-d', ...it.ports);
    assert.equal(up.code, 0, up.stderr);
    const image = await sampleImage(it);
    const first = ['a', 'b', 'c', 'd', 'e'];
    await createPods(it, image, first);
    await ready(it, first);
    const taken = await addressesOf(it);
    assert.equal(new Set(taken.values()).size, 5);
    await createPods(it, image, ['late']);
    for (const kubectl of [it.kubectlProgram, oldKubectl()]) {
      const deadline = AbortSignal.timeout(30_000);
      for (;;) {
        const { stdout } = await run([kubectl, 'describe', 'pod', 'late'], { env: it.kubectlEnv });
        if (/FailedCreatePodSandBox.+all 5 are taken/.test(stdout)) break;
        assert.ok(!deadline.aborted, stdout);
      }
    }
    await it.ok(['delete', 'pod', 'c']);
    await ready(it, ['late']);
    assert.equal((await addressesOf(it)).get('late'), taken.get('c'));
    const reply = await fetch(`http://${taken.get('c')}:8080/`, {
      signal: AbortSignal.timeout(5_000),
    });
    assert.equal(await reply.text(), 'late');
  },
);

test('addresses: none is given twice, whenever control is killed', BOUND, async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  const rounds = [0, 1, 2, 3];
  const names: string[] = [];
  for (const round of rounds) {
    const added = ['a', 'b', 'c', 'd'].map((letter) => `r${round}-${letter}`);
    names.push(...added);
    const creating = createPods(it, image, added);
    await sleep(systemClock, 120 * round);
    process.kill(pidOf(it.home, 'control'), 'SIGKILL');
    await creating;
    if (round === 0) continue;
    // What is given back meanwhile is to be had again.
    const gone = names.shift() ?? '';
    const deadline = AbortSignal.timeout(60_000);
    while ((await it.kubectl(['delete', 'pod', gone, '--wait=false'])).code !== 0)
      assert.ok(!deadline.aborted, `${gone} could not be deleted`);
  }
  await ready(it, names, 120);
  const deadline = AbortSignal.timeout(60_000);
  let taken = await addressesOf(it);
  for (; taken.size > names.length; taken = await addressesOf(it))
    assert.ok(!deadline.aborted, [...taken.keys()].join());
  assert.equal(new Set(taken.values()).size, names.length);
  for (const [name, address] of taken) {
    const reply = await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(10_000) });
    assert.equal(await reply.text(), name);
  }
  // An object that is deleted without grace is gone at once; its program has two seconds to end, and then its namespace goes.
  const prefix = `knode-${instanceOf(it.home)}-`;
  const late = AbortSignal.timeout(30_000);
  for (;;) {
    const { stdout } = await run(['ip', 'netns', 'list']);
    const left = stdout.match(/^\S+/gm)?.filter((name) => name.startsWith(prefix)) ?? [];
    if (left.length === names.length) break;
    assert.ok(left.length > names.length && !late.aborted, left.join());
  }
});
