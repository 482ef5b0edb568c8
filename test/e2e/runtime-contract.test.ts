import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import http from 'node:http';
import { once } from 'node:events';
import { isIP } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { pushImage } from '#test/support/sample-image.ts';

/** The runtime contract (serving specification §6.1), seen from inside of a container. */
const PROGRAM = path.resolve(import.meta.dirname, '../support/probing-program.ts');
const timeout = 120_000;

let it: Platform;
let image: string;

before(
  async () => {
    it = await startPlatform();
    const source = path.join(it.home, 'probing');
    mkdirSync(source);
    copyFileSync(PROGRAM, path.join(source, 'server.ts'));
    image = await pushImage(it, { name: 'probing', source });
    const data = { testKey: 'testValue' };
    await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data });
    const secret = { stringData: { secretKey: 'secretValue' } };
    await apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'hidden' }, ...secret });
  },
  { timeout },
);
after(async () => await it[Symbol.asyncDispose](), { timeout });

async function apply(object: object): Promise<void> {
  await it.ok(['apply', '-f', '-'], JSON.stringify(object));
}

interface Wanted {
  readonly container?: object;
  readonly spec?: object;
}

/** Applies a Service of the probing program and resolves with its URL once it is Ready. */
async function deployed(name: string, { container = {}, spec = {} }: Wanted = {}): Promise<string> {
  await applied(name, { container, spec });
  await it.ok(['wait', `ksvc/${name}`, '--for=condition=Ready', '--timeout=60s']);
  return await it.ok(['get', 'ksvc', name, '-o', 'jsonpath={.status.url}']);
}

async function applied(name: string, { container = {}, spec = {} }: Wanted): Promise<void> {
  const template = { spec: { containers: [{ image, ...container }], ...spec } };
  const service = { apiVersion: 'serving.knative.dev/v1', kind: 'Service' };
  await apply({ ...service, metadata: { name }, spec: { template } });
}

interface Asking {
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
}

async function ask(
  url: string,
  target: string,
  { headers = {}, method = 'GET' }: Asking = {},
): Promise<{ status: number; body: string }> {
  const { host, port } = new URL(url);
  const request = http.request({
    host: '127.0.0.1',
    port: port === '' ? 80 : Number(port),
    path: target,
    method,
    headers: { host, ...headers },
    agent: false,
  });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response) };
}

interface FileSeen {
  readonly isFolder: boolean;
  readonly isDevice: boolean;
  readonly mode: string;
  readonly link: string;
}

interface Seen {
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly ids: readonly number[];
  readonly cwd: string;
  readonly hostname: string;
  readonly terminals: readonly number[];
  readonly stdin: number | string;
  readonly files: Readonly<Record<string, FileSeen | string>>;
  readonly folders: Readonly<Record<string, boolean | string>>;
  readonly values: Readonly<Record<string, { text: string; isWritable: boolean | string }>>;
  readonly mounts: readonly (readonly string[])[];
  readonly names: Readonly<Record<string, string>>;
}

async function look(url: string, what: object = {}): Promise<Seen> {
  const { status, body } = await ask(url, `/look?what=${encodeURIComponent(JSON.stringify(what))}`);
  assert.equal(status, 200, body);
  return JSON.parse(body) as Seen;
}

async function podOf(name: string, template: string): Promise<string> {
  const label = `serving.knative.dev/service=${name}`;
  return await it.ok(['get', 'pods', '-l', label, '-o', `jsonpath={.items[0]${template}}`]);
}

const DEVICES = ['full', 'null', 'random', 'tty', 'urandom', 'zero'].map((name) => `/dev/${name}`);
const LINKS = {
  '/dev/fd': '/proc/self/fd',
  '/dev/stdin': '/proc/self/fd/0',
  '/dev/stdout': '/proc/self/fd/1',
  '/dev/stderr': '/proc/self/fd/2',
};
const CGROUP = {
  memory: ['/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max'],
  shares: ['/sys/fs/cgroup/cpu/cpu.shares', '/sys/fs/cgroup/cpu.weight'],
  quota: ['/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu.max'],
} as const;

test(
  'a container whose author says nothing has what the contract promises',
  { timeout },
  async () => {
    const url = await deployed('plain');
    const seen = await look(url, {
      files: [
        ...DEVICES,
        ...Object.keys(LINKS),
        '/dev/ptmx',
        '/dev/console',
        '/tmp',
        '/var/log',
        '/etc/resolv.conf',
      ],
      folders: ['/tmp', '/var/log', '/dev/shm', '/etc', '/proc/sys/kernel'],
      values: [...Object.values(CGROUP).flat(), '/proc/sys/kernel/hostname', '/etc/hosts'],
      names: ['kubernetes.default.svc.cluster.local', 'plain.default.svc', 'plain', 'localhost'],
    });

    const { PORT, K_SERVICE, K_CONFIGURATION, K_REVISION } = seen.env;
    assert.deepEqual(
      { PORT, K_SERVICE, K_CONFIGURATION, K_REVISION },
      { PORT: '8080', K_SERVICE: 'plain', K_CONFIGURATION: 'plain', K_REVISION: 'plain-00001' },
    );
    // Only the cluster's own Service: links to others are off unless somebody asks.
    assert.deepEqual(
      Object.keys(seen.env).filter((name) => name.endsWith('_SERVICE_HOST')),
      ['KUBERNETES_SERVICE_HOST'],
    );
    assert.deepEqual(seen.ids, [65_532, 65_532, 65_532], 'the user of its image');
    assert.equal(seen.cwd, '/app', 'the folder of its image');
    assert.equal(seen.hostname, await podOf('plain', '.metadata.name'));
    assert.deepEqual([seen.stdin, seen.terminals], [0, []], 'nothing to read, and no terminal');

    for (const device of DEVICES) {
      const { isDevice, mode } = seen.files[device] as FileSeen;
      assert.deepEqual([isDevice, mode], [true, '666'], device);
    }
    for (const [file, link] of Object.entries(LINKS)) {
      assert.equal((seen.files[file] as FileSeen).link, link);
    }
    assert.equal((seen.files['/dev/ptmx'] as FileSeen).isDevice, true);
    assert.equal(seen.files['/dev/console'], 'ENOENT', 'there is none');
    assert.equal((seen.files['/tmp'] as FileSeen).mode, '1777');
    assert.equal((seen.files['/var/log'] as FileSeen).isFolder, true);
    assert.match((seen.files['/etc/resolv.conf'] as FileSeen).mode, /^6[4-6][4-6]$/);
    assert.deepEqual(seen.folders, {
      '/tmp': true,
      '/var/log': true,
      '/dev/shm': true,
      '/etc': 'EACCES',
      '/proc/sys/kernel': seen.folders['/proc/sys/kernel'],
    });
    assert.notEqual(seen.folders['/proc/sys/kernel'], true);
    const system = seen.mounts.find(([, at]) => at === '/proc/sys') ?? [];
    assert.deepEqual(system.slice(0, 3), ['proc', '/proc/sys', 'proc']);
    assert.ok(system[3]?.split(',').includes('ro'), 'settings of the kernel are to be read only');
    for (const file of Object.values(CGROUP).flat()) {
      const { text: value, isWritable } = seen.values[file] ?? assert.fail();
      if (value !== 'ENOENT') assert.notEqual(isWritable, true, file);
    }
    const address = await podOf('plain', '.status.podIP');
    assert.match(seen.values['/etc/hosts']?.text ?? '', new RegExp(`^${address}\\t`, 'm'));
    for (const name of ['kubernetes.default.svc.cluster.local', 'plain.default.svc', 'plain']) {
      assert.equal(isIP(seen.names[name] ?? ''), 4, `${name}: ${seen.names[name]}`);
    }
    assert.match(await it.ok(['logs', '-l', 'serving.knative.dev/service=plain']), /^listening$/m);
  },
);

test('a container whose author says much has all of it', { timeout }, async () => {
  const url = await deployed('shaped', {
    container: {
      name: 'mine',
      command: ['/usr/local/bin/node', '/app/server.ts', 'abra'],
      args: ['cadabra', 'do'],
      workingDir: '/foo/bar/baz',
      ports: [{ containerPort: 8888, name: 'http1' }],
      resources: { limits: { cpu: '1', memory: '128Mi' }, requests: { cpu: '125m' } },
      securityContext: { runAsUser: 2020 },
      env: [
        { name: 'SAID', value: '$(K_LATER) $$(SAID)' },
        { name: 'FROM_MAP', valueFrom: { configMapKeyRef: { name: 'settings', key: 'testKey' } } },
        { name: 'FROM_SECRET', valueFrom: { secretKeyRef: { name: 'hidden', key: 'secretKey' } } },
        { name: 'K_MINE', value: 'of $(FROM_MAP)' },
      ],
      envFrom: [
        { prefix: 'ALL_', configMapRef: { name: 'settings' } },
        { secretRef: { name: 'hidden' } },
      ],
      volumeMounts: [
        { name: 'map', mountPath: '/in/map' },
        { name: 'secret', mountPath: '/in/secret' },
        { name: 'many', mountPath: '/in/many' },
        { name: 'scratch', mountPath: '/in/scratch' },
      ],
    },
    spec: {
      volumes: [
        { name: 'map', configMap: { name: 'settings' } },
        { name: 'secret', secret: { secretName: 'hidden', defaultMode: 0o440 } },
        {
          name: 'many',
          projected: {
            sources: [
              { configMap: { name: 'settings', items: [{ key: 'testKey', path: 'a/key' }] } },
              { secret: { name: 'hidden' } },
              { serviceAccountToken: { audience: 'mine', expirationSeconds: 900, path: 'token' } },
            ],
          },
        },
        { name: 'scratch', emptyDir: {} },
      ],
    },
  });
  const inside = ['/in/map/testKey', '/in/many/a/key', '/in/many/secretKey', '/in/many/token'];
  const seen = await look(url, {
    folders: ['/in/map', '/in/secret', '/in/many', '/in/scratch'],
    values: [...Object.values(CGROUP).flat(), ...inside],
  });
  assert.deepEqual(seen.args.slice(1), ['/app/server.ts', 'abra', 'cadabra', 'do']);
  assert.equal(seen.cwd, '/foo/bar/baz');
  assert.deepEqual(seen.ids.slice(0, 2), [2020, 2020]);
  const { PORT, SAID, FROM_MAP, FROM_SECRET, ALL_testKey, secretKey, K_MINE } = seen.env;
  assert.deepEqual([PORT, SAID], ['8888', '$(K_LATER) $(SAID)']);
  assert.deepEqual([FROM_MAP, FROM_SECRET, K_MINE], ['testValue', 'secretValue', 'of testValue']);
  assert.deepEqual([ALL_testKey, secretKey], ['testValue', 'secretValue']);

  const value = (files: readonly [string, string]): string =>
    files.map((file) => seen.values[file]?.text ?? '').find((found) => found !== 'ENOENT') ?? '';
  assert.equal(value(CGROUP.memory), String(128 * 1024 * 1024));
  // cgroup v2 has its own scale, on which runc's versions differ.
  const isFirst = seen.values[CGROUP.shares[0]]?.text !== 'ENOENT';
  if (isFirst) assert.equal(value(CGROUP.shares), '128');
  assert.match(value(CGROUP.quota), isFirst ? /^100000$/ : /^100000 100000$/);

  const [map, key, secret, token = ''] = inside.map((file) => seen.values[file]?.text);
  assert.deepEqual([map, key, secret], ['testValue', 'testValue', 'secretValue']);
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    aud: string[];
    exp: number;
    iat: number;
  };
  assert.deepEqual([claims.aud, claims.exp - claims.iat], [['mine'], 900]);
  for (const volume of ['/in/map', '/in/secret', '/in/many']) {
    assert.ok(['EROFS', 'EACCES'].includes(String(seen.folders[volume])), volume);
    const [, , , options = ''] = seen.mounts.find(([, at]) => at === volume) ?? [];
    assert.ok(options.split(',').includes('ro'), `${volume}: ${options}`);
  }
  assert.equal(seen.folders['/in/scratch'], true);
});

test('a request arrives as it was sent, and says by what way', { timeout }, async () => {
  const url = await deployed('plain');
  const { host } = new URL(url);
  const { body } = await ask(url, '/request', {
    method: 'PURGE',
    headers: {
      'this-was-user-set': 'a value',
      'x-forwarded-for': '192.0.2.7',
      forwarded: 'for=192.0.2.7',
      'knative-serving-revision': 'other',
      'ce-id': '1',
    },
  });
  const { method, httpVersion, headers } = JSON.parse(body) as {
    method: string;
    httpVersion: string;
    headers: Record<string, string[]>;
  };
  assert.deepEqual([method, httpVersion], ['PURGE', '1.1']);
  assert.deepEqual(headers['host'], [host]);
  assert.deepEqual(headers['this-was-user-set'], ['a value']);
  assert.deepEqual(headers['ce-id'], ['1']);
  // Whoever is not trusted to say where a request comes from is not believed.
  const [addresses = ''] = headers['x-forwarded-for'] ?? [];
  assert.ok(
    addresses.split(',').every((each) => isIP(each.trim()) !== 0),
    addresses,
  );
  assert.ok(!addresses.includes('192.0.2.7'), addresses);
  assert.deepEqual(headers['x-forwarded-proto'], ['http']);
  const [forwarded = ''] = headers['forwarded'] ?? [];
  assert.match(forwarded, /^for=[^;,]+;host=[^;]+;proto=http$/);
  assert.ok(forwarded.includes(host), forwarded);
  const inner = Object.keys(headers).filter((name) => /^(knative-serving|k)-/.test(name));
  assert.deepEqual(inner, [], 'what the platform says to itself does not reach the program');
});

test(
  'a program that fails its liveness probe is started anew, and serves again',
  { timeout },
  async () => {
    const url = await deployed('alive', {
      container: {
        livenessProbe: { httpGet: { path: '/liveness' }, periodSeconds: 1, failureThreshold: 3 },
      },
    });
    const checks = async (): Promise<number> => {
      const { status, body } = await ask(url, '/checks');
      return status === 200 ? (JSON.parse(body) as { liveness: number }).liveness : 0;
    };
    const checked = async (least: number): Promise<void> => {
      const deadline = AbortSignal.timeout(30_000);
      while ((await checks()) < least) deadline.throwIfAborted();
    };
    await checked(3);
    const restarts = '.status.containerStatuses[0].restartCount';
    assert.equal(await podOf('alive', restarts), '0');
    const pod = await podOf('alive', '.metadata.name');
    await ask(url, '/start-failing');
    await it.ok(['wait', `pod/${pod}`, `--for=jsonpath={${restarts}}=1`, '--timeout=60s']);
    await it.ok(['wait', `pod/${pod}`, '--for=condition=Ready', '--timeout=60s']);
    await checked(2);
  },
);

const HANDLERS = {
  http: { httpGet: { path: '/readiness' } },
  tcp: { tcpSocket: {} },
  exec: { exec: { command: ['/usr/local/bin/node', '/app/server.ts', 'probe'] } },
};

test(
  'a Service is Ready once its program is, by each kind of probe and period',
  { timeout },
  async () => {
    const delay = [{ name: 'LISTEN_DELAY_MS', value: '2000' }];
    const cases = Object.entries(HANDLERS).flatMap(([name, handler]) =>
      [0, 1].map((periodSeconds) => ({ name: `${name}-${periodSeconds}`, handler, periodSeconds })),
    );
    await Promise.all(
      cases.map(async ({ name, handler, periodSeconds }) => {
        const readinessProbe = { ...handler, periodSeconds };
        const url = await deployed(name, { container: { env: delay, readinessProbe } });
        // No answer from the platform instead of it: the first one is the program's.
        assert.deepEqual(await ask(url, '/'), { status: 200, body: 'here' }, name);
      }),
    );
  },
);

test('a program that is not ready any more has no requests until it is', { timeout }, async () => {
  const started = { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 30 };
  const url = await deployed('fading', {
    container: {
      startupProbe: started,
      readinessProbe: { ...HANDLERS.http, periodSeconds: 1, failureThreshold: 1 },
    },
    spec: { timeoutSeconds: 2, responseStartTimeoutSeconds: 2 },
  });
  await ask(url, '/start-failing');
  const pod = await podOf('fading', '.metadata.name');
  await it.ok(['wait', `pod/${pod}`, '--for=condition=Ready=false', '--timeout=60s']);
  // The gateway hears of it a moment later; then a request waits until it may wait no longer.
  const deadline = AbortSignal.timeout(30_000);
  while ((await ask(url, '/')).status === 200) deadline.throwIfAborted();
  const { status, body } = await ask(url, '/');
  assert.equal(status, 504);
  assert.match(body, /request timeout/);
});

test('who does not end when told to is ended when the grace is over', { timeout }, async () => {
  await deployed('stubborn', {
    container: { env: [{ name: 'IGNORES_TERM', value: 'yes' }] },
    spec: { timeoutSeconds: 2 },
  });
  assert.equal(await podOf('stubborn', '.spec.terminationGracePeriodSeconds'), '2');
  const pod = await podOf('stubborn', '.metadata.name');
  const log = it.kubectlInBackground(['logs', '-f', pod]);
  await it.ok(['delete', 'ksvc/stubborn']);
  await log.until(/^told to end$/m);
  await it.ok(['wait', `pod/${pod}`, '--for=delete', '--timeout=30s']);
  log.kill();
});
