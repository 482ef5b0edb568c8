import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

interface PodParts {
  readonly script?: string;
  readonly spec?: object;
  readonly container?: object;
}

async function apply(it: Platform, objects: readonly object[]): Promise<void> {
  await it.ok(
    ['apply', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  );
}

test('pods: what kubectl describe says of them, from the first word to the last', async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  const pod = (
    name: string,
    { script = 'setInterval(() => {}, 1e6)', spec, container }: PodParts,
  ): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      ...spec,
      containers: [
        { name: 'main', image, command: ['/usr/local/bin/node', '-e', script], ...container },
      ],
    },
  });
  await apply(it, [
    pod('well', {}),
    pod('files', {
      spec: { volumes: [{ name: 'late', configMap: { name: 'late' } }], restartPolicy: 'Never' },
      script: "console.log(fs.readFileSync('/late/word', 'utf8'))",
      container: { volumeMounts: [{ name: 'late', mountPath: '/late' }] },
    }),
    pod('crash', { script: 'process.exit(3)' }),
    pod('absent', { container: { command: ['/bin/absent'] } }),
    pod('unready', { container: { readinessProbe: { tcpSocket: { port: 1 }, periodSeconds: 1 } } }),
    pod('unpulled', { container: { image: image.replace(/[^/]+$/, 'nobody:1') } }),
    pod('named', {
      spec: { hostname: 'own', subdomain: 'team', setHostnameAsFQDN: true, restartPolicy: 'Never' },
      script: 'console.log(os.hostname())',
    }),
  ]);
  const saying = async (name: string, said: RegExp): Promise<void> => {
    const seconds = 40;
    for (let left = seconds; ; left -= 1) {
      const text = await it.ok(['describe', 'pod', name]);
      if (said.test(text)) return;
      assert.ok(left > 0, `${name} does not say ${said} in ${seconds} looks: ${text}`);
      await it.kubectl(['wait', '--for=delete', 'pod', name, '--timeout=1s']);
    }
  };
  await it.ok(['wait', '--for=condition=Ready', 'pod/well', '--timeout=60s']);
  await saying(
    'files',
    /FailedMount .*MountVolume.SetUp failed for volume "late" : configmap "late" not found/,
  );
  await it.ok(['create', 'configmap', 'late', '--from-literal=word=at last']);
  for (const word of [
    /Scheduled .*assigned/,
    /Pulling image/,
    /Created container: main/,
    /Started container main/,
  ])
    await saying('well', word);
  await saying(
    'crash',
    /CrashLoopBackOff[\s\S]*Exit Code: +3[\s\S]*BackOff .*restarting failed container main in pod crash_default/,
  );
  await saying('absent', /StartError[\s\S]*Message: +runc create failed: [\s\S]*"\/bin\/absent"/);
  await saying(
    'unready',
    /Unhealthy .*Readiness probe failed: dial tcp .*:1: connect: connection refused/,
  );
  await saying('unpulled', /ErrImagePull|ImagePullBackOff[\s\S]*Failed to pull image/);
  await it.ok([
    'wait',
    '--for=jsonpath={.status.phase}=Succeeded',
    'pod/files',
    'pod/named',
    '--timeout=60s',
  ]);
  assert.equal(await it.ok(['logs', 'files']), 'at last\n');
  assert.equal(await it.ok(['logs', 'named']), 'own.team.default.svc.cluster.local\n');
  await it.ok(['delete', 'pod', 'well']);
  const events = await it.ok(['get', 'events', '--field-selector', 'involvedObject.name=well']);
  assert.match(events, /Killing .*Stopping container main/);
});
