import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before } from 'node:test';
import {
  byAllKubectls,
  byEveryKubectl,
  scriptContainer,
  scriptPod,
  type AskedPod,
  type KubectlClient,
} from '#test/support/kubectl-client.ts';
import { call, startPlatform, type Platform } from '#test/support/platform.ts';
import { processesWith } from '#test/support/processes-with.ts';
import { pushImage, toolsImage, TOOLS_ENV } from '#test/support/sample-image.ts';

/* How containers of a pod live beside each other, are asked how they are, and come to their end. */

let it: Platform;
let image: string;
let otherImage: string;

before(async () => {
  it = await startPlatform();
  image = await toolsImage(it);
  otherImage = await pushImage(it, { name: 'other', source: path.join(it.home, 'tools') });
});
after(async () => await it[Symbol.asyncDispose]());

const every = byEveryKubectl('lifecycle', () => it);
const together = byAllKubectls('lifecycle', () => it);
const pod = (name: string, asked: AskedPod): object => scriptPod(image, name, asked);

const WAITS = 'while true; do sleep 0.1; done';
/** Ends when it is told to. */
const POLITE = `trap "exit 0" TERM; ${WAITS}`;
/** A container that runs a program of Node. */
const node = (name: string, program: string, rest: object = {}): object => ({
  name,
  image,
  env: TOOLS_ENV,
  command: ['node', '-e', program],
  ...rest,
});
async function gone(client: KubectlClient, name: string): Promise<void> {
  const look = ['get', 'pod', '--ignore-not-found', name, '-o', 'name'];
  await client.until(async () => await client.ok(look), /^$/);
}

together(
  'containers of a pod share its network, and its processes where it asks',
  async (client) => {
    const [own, shared] = ['apart', 'shared'].map((name) => client.own(name)) as [string, string];
    const server = `require('net').createServer((s) => s.end('from beside')).listen(7000, '127.0.0.1')`;
    const ask = `const ask = () => require('net').connect(7000, '127.0.0.1').on('data', (d) => { console.log(String(d)); process.exit() }).on('error', () => setTimeout(ask, 50)); ask()`;
    const containers = [
      node('beside', server),
      scriptContainer(image, 'main', {
        script: `node -e "$ASK"; ps -eo args | grep -c '^node -e require'; exec sleep 1000000`,
        env: [...TOOLS_ENV, { name: 'ASK', value: ask }],
      }),
    ];
    const asked = { script: '' };
    await client.apply(
      pod(own, { ...asked, spec: { containers } }),
      pod(shared, { ...asked, spec: { containers, shareProcessNamespace: true } }),
    );
    for (const [name, seen] of [
      [own, 0],
      [shared, 1],
    ] as const) {
      await client.podOnce(name, ({ phase }) => phase === 'Running');
      const log = async (): Promise<string> => await client.ok(['logs', name, '-c', 'main']);
      assert.equal(await client.until(log, /\n\d\n$/), `from beside\n${seen}\n`);
    }
    await client.ok(['delete', 'pod', own, shared, '--wait=false']);
  },
);

together('what is asked of it by HTTP, TCP and gRPC decides how it is', async (client) => {
  const name = client.own('asked');
  const health = `require('http2').createServer().on('stream', (s, h) => {
    s.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    s.on('wantTrailers', () => s.sendTrailers({ 'grpc-status': '0' }));
    s.end(Buffer.from([0, 0, 0, 0, 2, 8, h[':path'] === '/grpc.health.v1.Health/Check' && fs.existsSync('/tmp/up') ? 1 : 2]));
  }).listen(5000)`;
  const web = `require('http').createServer((q, s) => {
    const isWell = q.headers['x-asks'] === 'kubelet' && q.url === '/ready' && fs.existsSync('/tmp/ready');
    s.writeHead(isWell ? 200 : 503).end();
  }).listen(8080)`;
  const tcp = `const door = require('net').createServer((s) => s.destroy()).listen(7000);
    const look = () => fs.existsSync('/tmp/shut') ? door.close() : setTimeout(look, 50); look()`;
  const often = { periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 20 };
  await client.apply(
    pod(name, {
      script: '',
      spec: {
        restartPolicy: 'Always',
        containers: [
          node('main', `${health}; ${web}; ${tcp}; process.on('SIGTERM', () => process.exit(0))`, {
            ports: [{ name: 'web', containerPort: 8080 }],
            startupProbe: { grpc: { port: 5000 }, ...often, failureThreshold: 60 },
            readinessProbe: {
              httpGet: {
                port: 'web',
                path: '/ready',
                httpHeaders: [{ name: 'x-asks', value: 'kubelet' }],
              },
              ...often,
            },
            livenessProbe: { tcpSocket: { port: 7000 }, ...often },
          }),
        ],
      },
    }),
  );
  const inside = async (command: string): Promise<string> =>
    await client.ok(['exec', name, '--', 'sh', '-c', command]);
  const isReady = '--for=condition=Ready';
  await client.podOnce(name, ({ phase }) => phase === 'Running');
  await inside('echo > /tmp/ready');
  // Whoever has not started is not asked whether it is ready.
  const { status } = await client.podOnce(name, () => true);
  assert.deepEqual(
    status?.containerStatuses?.map(({ started, ready }) => [started, ready]),
    [[false, false]],
  );
  const describe = async (): Promise<string> => await client.ok(['describe', 'pod', name]);
  await client.until(describe, /Unhealthy .*Startup probe failed: service unhealthy/);
  await inside('echo > /tmp/up');
  await client.ok(['wait', isReady, `pod/${name}`, '--timeout=30s']);
  await client.ok(['exec', name, '--', 'node', '-e', "fs.rmSync('/tmp/ready')"]);
  await client.ok(['wait', `${isReady}=false`, `pod/${name}`, '--timeout=30s']);
  const unready = /Unhealthy .*Readiness probe failed: HTTP probe failed with statuscode: 503/;
  await client.until(describe, unready);
  await inside('echo > /tmp/shut');
  await client.podOnce(name, ({ containerStatuses: [one] = [] }) => one?.restartCount === 1);
  await client.until(describe, /Unhealthy .*Liveness probe failed: dial tcp .*:7000: connect: /);
  await client.until(describe, /Killing .*Container main failed liveness probe, will be restarted/);
  await client.ok(['delete', 'pod', name, '--wait=false']);
});

every('who is ready long before its period is over is said to be', async (client) => {
  const name = client.own('early');
  const server = `setTimeout(() => require('http').createServer((q, s) => s.end()).listen(8080), 700)`;
  const container = node('main', server, {
    readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 600 },
  });
  await client.apply(pod(name, { script: '', spec: { containers: [container] } }));
  await client.ok(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=50s']);
  await client.ok(['delete', 'pod', name, '--wait=false']);
});

every('they end in their order, each told by its own hook and signal', async (client) => {
  const name = client.own('order');
  const says = (who: string, signal: string, rest: object): object =>
    scriptContainer(image, who, {
      script: `trap 'echo ${who} ends >> /said/all; exit 0' ${signal}; echo ${who} begins >> /said/all; ${WAITS}`,
      volumeMounts: [{ name: 'said', mountPath: '/said' }],
      ...rest,
    });
  const told = { exec: { command: ['sh', '-c', 'echo main is told >> /said/all'] } };
  const lifecycle = { preStop: told, stopSignal: 'SIGUSR1' };
  const last = scriptContainer(image, 'last', {
    script: `trap 'cat /said/all; exit 0' TERM; ${WAITS}`,
    volumeMounts: [{ name: 'said', mountPath: '/said' }],
    restartPolicy: 'Always',
  });
  await client.apply(
    pod(name, {
      script: '',
      spec: {
        os: { name: 'linux' },
        terminationGracePeriodSeconds: 20,
        volumes: [{ name: 'said', emptyDir: {} }],
        initContainers: [last, says('beside', 'TERM', { restartPolicy: 'Always' })],
        containers: [says('main', 'USR1', { lifecycle })],
      },
    }),
  );
  await client.ok(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=50s']);
  const inside = ['exec', name, '-c', 'main', '--', 'cat', '/said/all'];
  await client.until(async () => await client.ok(inside), /main begins/);
  const following = client.ok(['logs', '-f', name, '-c', 'last']);
  await client.ok(['delete', 'pod', name]);
  assert.deepEqual((await following).trim().split('\n'), [
    'beside begins',
    'main begins',
    'main is told',
    'main ends',
    'beside ends',
  ]);
});

together(
  'another image makes a container anew, at once where it waits for what is not there',
  async (client) => {
    const [mends, moves, stays] = ['mends', 'moves', 'stays'].map((name) => client.own(name)) as [
      string,
      string,
      string,
    ];
    const always = { spec: { restartPolicy: 'Always' } };
    const absent = { ...always, container: { image: image.replace(/[^/]+$/, 'nobody:1') } };
    await client.apply(
      pod(mends, { script: POLITE, ...absent }),
      pod(moves, { script: POLITE, ...always }),
      pod(stays, { script: POLITE }),
    );
    await client.podOnce(mends, ({ containerStatuses: [one] = [] }) =>
      /ImagePull/.test(one?.state?.waiting?.reason ?? ''),
    );
    for (const name of [moves, stays])
      await client.podOnce(name, ({ phase }) => phase === 'Running');
    await client.ok(['set', 'image', `pod/${mends}`, `main=${image}`]);
    await client.ok(['wait', `pod/${mends}`, '--for=condition=Ready', '--timeout=20s']);
    for (const name of [moves, stays]) {
      await client.ok(['set', 'image', `pod/${name}`, `main=${otherImage}`]);
      const { status } = await client.podOnce(
        name,
        ({ containerStatuses: [one] = [] }) => one?.restartCount === 1 && !!one.state?.running,
      );
      const [one] = status?.containerStatuses ?? [];
      assert.match(one?.imageID ?? '', /\/other@sha256:/);
      assert.notEqual(one?.lastState?.terminated, undefined);
      await client.until(
        async () => await client.ok(['describe', 'pod', name]),
        /Killing .*Container main definition changed, will be restarted/,
      );
    }
    await client.ok(['delete', 'pod', mends, moves, stays, '--wait=false']);
  },
);

together(
  'who does not listen has its grace and no more, however it is told to go',
  async (client) => {
    const names = ['stubborn', 'now', 'forced', 'late'].map((name) => client.own(name));
    const [stubborn, now, forced, late] = names as [string, string, string, string];
    const script = `trap "echo no" TERM; echo here; ${WAITS}`;
    const long = { terminationGracePeriodSeconds: 600 };
    await client.apply(
      pod(stubborn, { script, spec: { terminationGracePeriodSeconds: 2 } }),
      pod(now, { script, spec: long }),
      pod(forced, { script: `says=${forced}; ${script}`, spec: long }),
      pod(late, { script, spec: { ...long, activeDeadlineSeconds: 4 } }),
    );
    for (const name of [stubborn, now, forced])
      await client.until(async () => (await client.run(['logs', name])).stdout, /^here$/m);
    const following = client.ok(['logs', '-f', stubborn]);
    await client.ok(['delete', 'pod', stubborn]);
    assert.equal(await following, 'here\nno\n');
    // Asked again, it has less.
    for (const name of [now, forced]) await client.ok(['delete', 'pod', name, '--wait=false']);
    for (const name of [now, forced])
      await client.until(async () => (await client.run(['logs', name])).stdout, /^no$/m);
    await client.ok(['delete', 'pod', now, '--now']);
    const isAlive = async (): Promise<string> =>
      String(processesWith(`says=${forced};`).length > 0);
    assert.equal(await isAlive(), 'true');
    await client.ok(['delete', 'pod', forced, '--grace-period=0', '--force']);
    await client.until(isAlive, /false/);
    for (const name of [stubborn, now, forced]) await gone(client, name);
    // Its own grace is what a deadline leaves it; whoever deletes it then may give it less.
    await client.until(async () => (await client.run(['logs', late])).stdout, /^no$/m);
    assert.match(await client.ok(['describe', 'pod', late]), / DeadlineExceeded /);
    await client.ok(['delete', 'pod', late, '--grace-period=1']);
  },
);

together('a deadline ends a pod for good, with the word', async (client) => {
  const [given, later] = ['deadline', 'later'].map((name) => client.own(name)) as [string, string];
  const spec = { restartPolicy: 'Always', activeDeadlineSeconds: 2 };
  await client.apply(
    pod(given, { script: POLITE, spec }),
    pod(later, { script: POLITE, spec: { restartPolicy: 'Always' } }),
  );
  // One that has none may be given one while it runs.
  await client.podOnce(later, ({ phase }) => phase === 'Running');
  await client.ok(['patch', 'pod', later, '-p', '{"spec":{"activeDeadlineSeconds":3}}']);
  const message = 'Pod was active on the node longer than the specified deadline';
  for (const name of [given, later]) {
    const { status } = await client.podOnce(name, ({ phase }) => phase === 'Failed');
    assert.deepEqual([status?.reason, status?.message], ['DeadlineExceeded', message]);
    const described = await client.ok(['describe', 'pod', name]);
    assert.match(described, /^Reason: +DeadlineExceeded$/m);
    assert.match(described, new RegExp(` Normal +DeadlineExceeded .*${message}`));
  }
});

together('each policy says who begins again, later each time', async (client) => {
  const counted = 'n=$(cat /data/n 2>/dev/null || echo 0); echo $((n+1)) > /data/n; echo "time $n"';
  const volumes = [{ name: 'data', emptyDir: {} }];
  const container = { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
  const rows = {
    always: ['Always', 'exit 0'],
    twice: ['OnFailure', '[ $n -gt 0 ]'],
    once: ['OnFailure', 'exit 0'],
    never: ['Never', 'exit 5'],
    crashes: ['Always', 'exit 6'],
  } as const;
  const pods = Object.entries(rows).map(([name, [restartPolicy, end]]) =>
    pod(client.own(name), {
      script: `${counted}; ${end}`,
      container,
      spec: { volumes, restartPolicy },
    }),
  );
  await client.apply(...pods);
  const endOf = async (name: string, phase: string): Promise<unknown> => {
    const { status } = await client.podOnce(client.own(name), (each) => each.phase === phase);
    const [one] = status?.containerStatuses ?? [];
    return [one?.restartCount, one?.state?.terminated?.exitCode];
  };
  /** The first time at once, then after ten seconds and more. */
  const backsOff = async (name: string, exitCode: number): Promise<void> => {
    const { status } = await client.podOnce(name, ({ containerStatuses: [one] = [] }) =>
      Boolean(one?.restartCount === 1 && one.state?.waiting),
    );
    const [waits] = status?.containerStatuses ?? [];
    const { exitCode: code, finishedAt = '' } = waits?.lastState?.terminated ?? {};
    assert.equal(code, exitCode);
    assert.match(waits?.state?.waiting?.message ?? '', /^back-off 10s restarting failed container/);
    const third = await client.podOnce(
      name,
      ({ containerStatuses: [one] = [] }) => one?.restartCount === 2,
    );
    const { state, lastState } = third.status?.containerStatuses?.[0] ?? {};
    const { startedAt = '' } = state?.running ?? state?.terminated ?? lastState?.terminated ?? {};
    // Times of whole seconds.
    const pauseMs = Date.parse(startedAt) - Date.parse(finishedAt);
    assert.ok(pauseMs >= 9_000, `${pauseMs} ms`);
    assert.match(await client.ok(['describe', 'pod', name]), / Warning +BackOff /);
  };
  await Promise.all([backsOff(client.own('always'), 0), backsOff(client.own('crashes'), 6)]);
  assert.deepEqual(await endOf('twice', 'Succeeded'), [1, 0]);
  assert.deepEqual(await endOf('once', 'Succeeded'), [0, 0]);
  assert.deepEqual(await endOf('never', 'Failed'), [0, 5]);
  await client.ok(['delete', 'pod', client.own('always'), client.own('crashes'), '--wait=false']);
});

together('hooks ask by HTTP, or only wait; a job ends without its sidecar', async (client) => {
  const [web, waits, job, fails] = ['hooked', 'pauses', 'job', 'unhooked'].map((name) =>
    client.own(name),
  ) as [string, string, string, string];
  const server = `require('http').createServer((q, s) => { console.log('asked', q.url); s.end(); }).listen(8080);
    process.on('SIGTERM', () => { console.log('told'); process.exit(0); })`;
  const ask = { httpGet: { path: '/bye', port: 'web' } };
  const slow = `console.log('begun');
    process.on('SIGTERM', () => { console.log('told'); process.exit(0); }); setInterval(() => {}, 1e6)`;
  await client.apply(
    pod(web, {
      script: '',
      spec: {
        terminationGracePeriodSeconds: 20,
        containers: [
          node('main', server, {
            ports: [{ name: 'web', containerPort: 8080 }],
            readinessProbe: { tcpSocket: { port: 'web' } },
            lifecycle: { preStop: ask },
          }),
        ],
      },
    }),
    pod(waits, {
      script: '',
      spec: {
        terminationGracePeriodSeconds: 20,
        containers: [node('main', slow, { lifecycle: { preStop: { sleep: { seconds: 2 } } } })],
      },
    }),
    pod(fails, {
      script: POLITE,
      container: {
        lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo no; exit 1'] } } },
      },
    }),
    pod(job, {
      script: 'echo done',
      spec: {
        initContainers: [
          scriptContainer(image, 'beside', { script: POLITE, restartPolicy: 'Always' }),
        ],
      },
    }),
  );
  await client.ok(['wait', '--for=condition=Ready', `pod/${web}`, '--timeout=50s']);
  const following = client.ok(['logs', '-f', web]);
  await client.ok(['delete', 'pod', web]);
  assert.equal(await following, 'asked /bye\ntold\n');
  await client.until(async () => (await client.run(['logs', waits])).stdout, /^begun$/m);
  const end = client.ok(['logs', '-f', '--timestamps', waits]);
  const deletedMs = performance.now();
  await client.ok(['delete', 'pod', waits]);
  assert.ok(performance.now() - deletedMs >= 2_000, 'first it has waited');
  assert.match(await end, / begun\n.* told\n$/);
  await client.podOnce(fails, ({ phase = '' }) => /Succeeded|Failed/.test(phase));
  const described = async (): Promise<string> => await client.ok(['describe', 'pod', fails]);
  await client.until(described, / Warning +FailedPostStartHook .* exited with 1: no/);
  assert.equal(await client.said(job), 'done\n');
  const { status } = await client.podOnce(job, () => true);
  assert.equal(status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 0);
});

together(
  'a Service is asked far more often than once a second until it is ready',
  async (client) => {
    const name = client.own('probed');
    // Asked once a second it would not be ready before the test has given up.
    const server = `let asked = 0; require('http').createServer((q, s) => {
    if (!/^kube-probe/.test(q.headers['user-agent'] ?? '')) return void s.end('asked ' + asked);
    asked += 1; s.writeHead(asked > 60 ? 200 : 503).end(); }).listen(8080)`;
    const readinessProbe = { httpGet: { path: '/' }, periodSeconds: 0 };
    const { name: _unnamed, ...container } = node('', server, { readinessProbe }) as {
      name: string;
    };
    await client.apply({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name },
      spec: { template: { spec: { containers: [container] } } },
    });
    await client.ok(['wait', `ksvc/${name}`, '--for=condition=Ready', '--timeout=50s']);
    const url = await client.ok(['get', 'ksvc', name, '-o', 'jsonpath={.status.url}']);
    const { body } = await call(url);
    assert.match(body, /^asked 6\d$/, 'and from then on at its period');
    await client.ok(['delete', 'ksvc', name]);
  },
);
