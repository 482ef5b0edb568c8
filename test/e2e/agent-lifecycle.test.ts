import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyText } from '#base/http-message.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { isReady, NODE_IMAGE, startAgentBed, type AgentBed } from '#test/support/agent-bed.ts';

/** Says its name at its start and its end, into a folder that all containers of the pod share. */
function speaker(
  name: string,
  rest: Partial<Container> = {},
  script = 'setInterval(() => {}, 1e6)',
): Container {
  const said = `const say = (word) => fs.appendFileSync('/said/all', '${name} ' + word + '\\n');
    say('begins'); process.on('SIGTERM', () => { say('ends'); process.exit(0) }); ${script}`;
  const volumeMounts = [{ name: 'said', mountPath: '/said' }];
  return { name, image: NODE_IMAGE, args: ['-e', said], volumeMounts, ...rest };
}

/** At its end, all that was said goes to its log. */
const SHOWS = `process.on('exit', () => process.stdout.write(fs.readFileSync('/said/all'))); setInterval(() => {}, 1e6)`;

const volumes = [{ name: 'said', emptyDir: {} }];

function says(text: string): string[] {
  return ['/bin/node', '-e', `fs.appendFileSync('/said/all', '${text}\\n')`];
}

async function log(
  bed: AgentBed,
  name: string,
  container: string,
  more: Record<string, string> = {},
): Promise<string> {
  const { signal } = new AbortController();
  const query = new URLSearchParams({ ...more, container });
  const request = { namespace: 'default', name, query, signal };
  return await bodyText((await bed.agent.access.log(request)).body);
}

async function eventsOf(bed: AgentBed, name: string): Promise<readonly Event[]> {
  const { items } = await bed.cluster.client.list(Event, { namespace: 'default' });
  return items.filter(({ involvedObject }) => involvedObject.name === name);
}

test('lifecycle: init containers, sidecars and main ones begin in order, and end in the other', async () => {
  await using bed = await startAgentBed();
  const ready = {
    exec: { command: ['/bin/node', '-e', "process.exit(fs.existsSync('/said/all') ? 0 : 1)"] },
  };
  await bed.createPod('ordered', {
    volumes,
    initContainers: [
      speaker('one', {}, 'process.exit(0)'),
      speaker('side-a', { restartPolicy: 'Always', startupProbe: ready }, SHOWS),
      speaker('two', {}, 'process.exit(0)'),
      speaker('side-b', { restartPolicy: 'Always' }),
    ],
    containers: [
      speaker('main', {
        lifecycle: {
          postStart: { exec: { command: says('main postStart') } },
          preStop: { exec: { command: says('main preStop') } },
        },
      }),
    ],
  });
  const pod = await bed.podOnce('ordered', isReady);
  assert.equal(pod.status?.phase, 'Running');
  assert.deepEqual(
    pod.status?.initContainerStatuses?.map(({ ready: isIt, started }) => [isIt, started]),
    [
      [true, false],
      [true, true],
      [true, false],
      [true, true],
    ],
  );
  const reasons = (await eventsOf(bed, 'ordered')).map(({ reason }) => reason);
  for (const reason of ['Pulled', 'Created', 'Started'])
    assert.ok(reasons.includes(reason), reason);
  // The first sidecar is the last to end, so it has seen all that was said.
  const following = log(bed, 'ordered', 'side-a', { follow: 'true' });
  const ref = { namespace: 'default', name: 'ordered' };
  await bed.cluster.client.delete(Pod, ref, { gracePeriodSeconds: 10 });
  assert.deepEqual((await following).trim().split('\n'), [
    'one begins',
    'side-a begins',
    'two begins',
    'side-b begins',
    'main begins',
    'main postStart',
    'main preStop',
    'main ends',
    'side-b ends',
    'side-a ends',
  ]);
  await bed.podGone('ordered');
});

test('lifecycle: a job with a sidecar ends when its own work is done', async () => {
  await using bed = await startAgentBed();
  await bed.createPod('job', {
    restartPolicy: 'Never',
    volumes,
    initContainers: [speaker('side', { restartPolicy: 'Always' }, SHOWS)],
    containers: [
      speaker('work', {}, 'process.exit(0)'),
      speaker('more', {}, 'setTimeout(() => process.exit(0), 300)'),
    ],
  });
  const pod = await bed.podOnce('job', ({ status }) => status?.phase === 'Succeeded');
  assert.equal(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 0);
  const said = (await log(bed, 'job', 'side')).trim().split('\n');
  assert.equal(said[0], 'side begins');
  assert.deepEqual(said.slice(1, 3).toSorted(), ['more begins', 'work begins']);
  assert.deepEqual(said.slice(3), ['side ends']);
});

test('lifecycle: hooks that fail, and probes that fail, end a container in its own time', async () => {
  await using bed = await startAgentBed();
  // Without its handler a first process ignores SIGTERM, so both wait until that is there.
  const polite = `process.on('SIGTERM', () => { console.log('asked'); process.exit(4) });
    fs.writeFileSync('/tmp/up', ''); setInterval(() => {}, 1e6)`;
  const script = `const look = () => { if (!fs.existsSync('/tmp/up')) return; console.log('no good'); process.exit(1) };
    setInterval(look, 10)`;
  const plain = (rest: Partial<Container>): Container => ({
    name: 'main',
    image: NODE_IMAGE,
    args: ['-e', polite],
    ...rest,
  });
  const fails = { exec: { command: ['/bin/node', '-e', script] } };
  await bed.createPod('hook', {
    restartPolicy: 'Never',
    containers: [plain({ lifecycle: { postStart: fails } })],
  });
  await bed.createPod('live', {
    containers: [
      plain({
        livenessProbe: { ...fails, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 20 },
      }),
    ],
  });
  await bed.createPod('grpc', {
    containers: [plain({ readinessProbe: { grpc: { port: 5000 }, periodSeconds: 1 } })],
  });
  const hook = await bed.podOnce('hook', ({ status }) => status?.phase === 'Failed');
  assert.equal(hook.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 4);
  assert.equal(await log(bed, 'hook', 'main'), 'asked\n');
  const live = await bed.podOnce(
    'live',
    ({ status }) => (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0,
  );
  assert.equal(live.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 4);
  const messages = async (name: string): Promise<string> =>
    (await eventsOf(bed, name)).map(({ reason, message }) => `${reason}: ${message}`).join('\n');
  assert.match(await messages('hook'), /FailedPostStartHook: .*no good/);
  assert.match(await messages('live'), /Unhealthy: Liveness probe failed: no good/);
  assert.match(
    await messages('live'),
    /Killing: Container main failed liveness probe, will be restarted/,
  );
  await bed.podOnce('grpc', ({ status }) => status?.phase === 'Running');
});
