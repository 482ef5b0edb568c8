import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { bodyText } from '#base/http-message.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { reportFault } from '#test/support/fault-report.ts';
import { call, pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { makeAuthority } from '#test/support/test-authority.ts';
import { TOOLS_ENV, toolsImage } from '#test/support/sample-image.ts';

/*
 * F40: strings that nobody else has go through the platform as every sort of secret. Afterwards they are looked for in all
 * that people read or keep, also in the forms in which they travel.
 */

/** The files of a home that are to hold secrets, and why; all of them for their owner alone. */
const HOLDERS: readonly (readonly [file: RegExp, why: string])[] = [
  [/^store\//, 'the API’s own objects, Secrets among them'],
  [/^pki\//, 'the keys of the platform itself'],
  [/^kubeconfig$/, 'the administrator’s key'],
  [/^run\/gateway\.kubeconfig$/, 'the gateway’s key'],
  [/^agent\/pods\/.*\/volumes\//, 'Secrets and tokens as their containers see them'],
  [/^agent\/pods\/.*\/config\.json$/, 'environments, as OCI’s runtime is told them'],
  [/^registries\.yaml$/, 'credentials that a person wrote there'],
];

class Canaries {
  readonly #all = new Map<string, string>();

  /** A string that is nowhere else; `what` says in which role. */
  make(what: string): string {
    const secret = `canary${randomBytes(9).toString('hex')}`;
    this.add(what, secret);
    return secret;
  }

  add(what: string, secret: string): void {
    this.#all.set(secret, what);
    const encoded = Buffer.from(secret).toString('base64').replaceAll('=', '');
    // What stands beside it moves a text in base64 by a byte or two: the middle is the same for its own place only.
    this.#all.set(encoded.slice(0, -1), `${what}, in base64`);
  }

  get count(): number {
    return this.#all.size;
  }

  /** The roles of those in the text. */
  foundIn(text: string): readonly string[] {
    return [...this.#all].filter(([secret]) => text.includes(secret)).map(([, what]) => what);
  }
}

test('F40: no secret is where it is not meant to be', async () => {
  await using it = await startPlatform();
  await using registry = await startRegistry();
  const canaries = new Canaries();
  const image = await toolsImage(it);
  const answers: string[] = [];
  await podsWithSecrets(it, { canaries, image, registry: registry.host, answers });
  await badSecrets(it, { canaries, answers });
  await badCredentials(it, { canaries, answers });
  await certificates(it, canaries);
  process.kill(pidOf(it.home, 'control'), 'SIGKILL');
  const deadline = AbortSignal.timeout(60_000);
  while ((await it.kubectl(['get', '--raw', '/readyz'])).code !== 0) {
    await sleep(systemClock, 100, deadline);
  }
  await it.ok(['wait', 'pod/main', '--for=condition=Ready', '--timeout=60s']);
  addOwnKeys(it, canaries);

  const seen = [...(await whatPeopleSee(it)), ['answers', answers.join('\n')] as const];
  const leaks = seen.flatMap(([where, text]) =>
    canaries.foundIn(text).map((what) => `${where}: ${what}`),
  );
  const planted = path.join(it.home, 'logs', 'planted.log');
  writeFileSync(planted, `{"token":"${canaries.make('a planted one')}"}`);
  assert.deepEqual(scanHome(it.home, canaries).leaks, ['logs/planted.log: a planted one']);
  rmSync(planted);
  const { files, holders, leaks: inFiles } = scanHome(it.home, canaries);
  leaks.push(...inFiles, ...commandLines(canaries));
  reportFault({
    id: 'F40',
    what: `${canaries.count} canaries as secrets of eleven sorts, through the whole platform`,
    count: files + seen.length,
    found: `${leaks.length} leaks in ${files} files of the home, logs, objects, events, metrics and answers; ${holders} files are to hold them`,
  });
  assert.deepEqual(leaks, []);
  assert.ok(holders > 3, 'they went where they are meant to be');
});

interface Flow {
  readonly canaries: Canaries;
  readonly image: string;
  readonly registry: string;
  /** What came back to whoever asked, where that should not repeat a secret. */
  readonly answers: string[];
}

/** Pods that use secrets in every way, run commands with them, and fail with them. */
async function podsWithSecrets(
  it: Platform,
  { canaries, image, registry, answers }: Flow,
): Promise<void> {
  const data = { PASSWORD: canaries.make('a Secret in an environment') };
  const login = {
    auths: {
      [registry]: { username: 'user', password: canaries.make('the password of a pull secret') },
    },
  };
  await create(it, { kind: 'Secret', metadata: { name: 'login' }, stringData: data });
  await create(it, {
    kind: 'Secret',
    metadata: { name: 'pull' },
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': JSON.stringify(login) },
  });
  const container = {
    name: 'main',
    image,
    env: TOOLS_ENV,
    envFrom: [{ secretRef: { name: 'login' } }],
    volumeMounts: [{ name: 'login', mountPath: '/login' }],
  };
  const volumes = [{ name: 'login', secret: { secretName: 'login' } }];
  const pod = (name: string, changes: object, spec: object = {}): object => ({
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      volumes,
      containers: [{ ...container, ...changes }],
      ...spec,
    },
  });
  const sleeps = { command: ['sleep', '600'] };
  await create(it, pod('main', sleeps));
  await create(it, pod('absent-program', { command: ['/absent'] }));
  await create(it, pod('fails', { command: ['sh', '-c', 'exit 3'] }, { restartPolicy: 'Never' }));
  await create(it, pod('read-only', { ...sleeps, workingDir: '/login/PASSWORD' }));
  await create(
    it,
    pod('pulls', { image: `${registry}/private:v1` }, { imagePullSecrets: [{ name: 'pull' }] }),
  );
  await it.ok(['wait', 'pod/main', '--for=condition=Ready', '--timeout=60s']);
  await it.ok(['wait', 'pod/fails', '--for=jsonpath={.status.phase}=Failed', '--timeout=60s']);
  const reason = '{.status.containerStatuses[0].state.waiting.reason}';
  await it.ok(['wait', 'pod/pulls', `--for=jsonpath=${reason}`, '--timeout=60s']);
  const shown = await it.ok(['exec', 'main', '--', 'sh', '-c', 'echo $PASSWORD; cat /login/*']);
  assert.equal(shown.split(data.PASSWORD).length, 3, 'its own program does see it');
  const argument = canaries.make('an argument of exec');
  await it.ok(['exec', 'main', '--', 'sh', '-c', `test ${argument}`]);
  const absent = await it.kubectl(['exec', 'main', '--', '/absent']);
  answers.push(absent.stderr);
  const input = { input: canaries.make('the input of exec') };
  await it.kubectl(['exec', '-i', 'main', '--', 'cat'], input);
  const token = await it.ok(['create', 'token', 'default']);
  canaries.add('a service account’s token', token.trim());
  const mounted = '/var/run/secrets/kubernetes.io/serviceaccount/token';
  canaries.add('a pod’s token', (await it.ok(['exec', 'main', '--', 'cat', mounted])).trim());
}

/** Secrets that are refused, whose refusals must not repeat them. */
async function badSecrets(
  it: Platform,
  { canaries, answers }: Pick<Flow, 'canaries' | 'answers'>,
): Promise<void> {
  const secret = (more: object) => ({ apiVersion: 'v1', kind: 'Secret', ...more });
  const login = '.dockerconfigjson';
  const dockerConfig = { metadata: { name: 'bad' }, type: 'kubernetes.io/dockerconfigjson' };
  const text = (): string => canaries.make('a Secret that is refused');
  const encoded = (): string => Buffer.from(text()).toString('base64');
  const bodies: readonly object[] = [
    secret({ metadata: { name: 'bad' }, data: { a: `${text()}!` } }),
    secret({ metadata: { name: 'bad' }, data: { a: [text()] } }),
    secret({ metadata: { name: 'bad' }, data: { 'a b': encoded() } }),
    secret({ metadata: { name: 'bad' }, stringData: { a: { b: text() } } }),
    secret({ ...dockerConfig, data: { [login]: encoded() } }),
    secret({ ...dockerConfig, stringData: { [login]: text() } }),
    secret({ metadata: { name: 'bad' }, type: 'kubernetes.io/basic-auth', data: { x: encoded() } }),
    secret({
      metadata: { name: 'bad' },
      type: 'kubernetes.io/tls',
      data: { 'tls.key': encoded() },
    }),
  ];
  const api = apiOf(it);
  await using _ = api;
  const post = async (method: string, target: string, body: unknown, type = 'json') => {
    const { status, text } = await api.send(method, target, { body, type });
    // What is taken is told to its author as it is.
    if (status >= 400) answers.push(text);
  };
  const secrets = '/api/v1/namespaces/default/secrets';
  for (const body of bodies) {
    await post('POST', secrets, body);
    await post('POST', `${secrets}?fieldValidation=Strict`, body);
    await post('PATCH', `${secrets}/login`, body, 'merge-patch+json');
    await post('PATCH', `${secrets}/login?fieldManager=x`, body, 'apply-patch+yaml');
    await post('POST', secrets, `${JSON.stringify(body)} not JSON`);
  }
  const kept = { metadata: { name: 'kept' }, immutable: true, stringData: { a: text() } };
  await create(it, secret(kept));
  await post('PUT', `${secrets}/kept`, secret({ ...kept, stringData: { a: text() } }));
}

/** Credentials of all sorts that nobody accepts, at everything that listens. */
async function badCredentials(
  it: Platform,
  { canaries, answers }: Pick<Flow, 'canaries' | 'answers'>,
): Promise<void> {
  const api = apiOf(it);
  await using _ = api;
  const bearer = (): string => `Bearer ${canaries.make('a bearer token')}`;
  const basic = (): string =>
    `Basic ${Buffer.from(`user:${canaries.make('a password')}`).toString('base64')}`;
  const query = `token=${canaries.make('a token in a query')}`;
  for (const target of ['/api', '/metrics', '/api/v1/pods', '/healthz', '/openapi/v2']) {
    for (const authorization of [bearer(), basic(), canaries.make('a strange authorization')]) {
      const headers = { authorization };
      answers.push((await api.send('GET', `${target}?${query}`, { headers })).text);
    }
  }
  const exec = `/api/v1/namespaces/default/pods/main/exec?command=${canaries.make('a command')}`;
  const protocols = `base64url.bearer.authorization.k8s.io.${canaries.make('a token of a WebSocket')}`;
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
    'sec-websocket-protocol': `v5.channel.k8s.io, ${protocols}`,
  };
  answers.push((await api.send('GET', exec, { headers })).text);
  answers.push((await api.send('GET', `/nothing?${query}`, {})).text);
  const { settings } = JSON.parse(
    readFileSync(path.join(it.home, 'run', 'gateway.json'), 'utf8'),
  ) as { settings: string };
  const ports = JSON.parse(settings) as { httpPort: number; registryPort: number };
  for (const port of [ports.httpPort, ports.registryPort]) {
    answers.push((await call(`http://127.0.0.1:${port}`, `/v2/?${query}`)).body);
    answers.push(await plainCall(port, { authorization: basic() }));
    answers.push(await plainCall(port, { authorization: bearer(), cookie: bearer() }));
  }
}

async function plainCall(port: number, headers: Readonly<Record<string, string>>): Promise<string> {
  const request = http.get({ host: '127.0.0.1', port, path: '/v2/a/manifests/b', headers });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return body;
}

/** One that the gateway serves a host by, and one that it cannot. */
async function certificates(it: Platform, canaries: Canaries): Promise<void> {
  const { certificate, key } = makeAuthority().serverFor('canary.example');
  canaries.add('the key of a certificate', key.split('\n')[1]?.slice(-16) ?? '');
  const broken = `-----BEGIN PRIVATE KEY-----\n${canaries.make('a key that is none')}\n`;
  await create(it, {
    kind: 'Service',
    metadata: { name: 'nobody' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  });
  for (const [name, pem] of Object.entries({ served: key, broken })) {
    await create(it, {
      kind: 'Secret',
      metadata: { name },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': certificate, 'tls.key': pem },
    });
    const annotations = {
      'networking.knative.dev/ingress.class': 'knode.ingress.networking.knative.dev',
    };
    const split = { serviceNamespace: 'default', serviceName: 'nobody', servicePort: 80 };
    await create(it, {
      apiVersion: 'networking.internal.knative.dev/v1alpha1',
      kind: 'Ingress',
      metadata: { name, annotations },
      spec: {
        rules: [{ hosts: [`${name}.example`], http: { paths: [{ splits: [split] }] } }],
        tls: [{ secretName: name, secretNamespace: 'default' }],
      },
    });
  }
  const status = (wanted: string): string =>
    `--for=jsonpath={.status.conditions[?(@.type=="NetworkConfigured")].status}=${wanted}`;
  await it.ok(['wait', 'king/served', status('True'), '--timeout=30s']);
  await it.ok(['wait', 'king/broken', status('False'), '--timeout=30s']);
}

/** The private parts of the keys in the home: in their holders and nowhere else. */
function addOwnKeys(it: Platform, canaries: Canaries): void {
  for (const file of filesOf(it.home)) {
    if (!/\.(key|pem)$|kubeconfig$/.test(file)) continue;
    const text = readFileSync(file, 'utf8');
    const data = /client-key-data: (?<data>\S+)/.exec(text)?.groups?.['data'];
    const pem = data === undefined ? text : Buffer.from(data, 'base64').toString();
    const [, , body] = /-----BEGIN (\w+ )?PRIVATE KEY-----\n(.+)\n/.exec(pem) ?? [];
    // The line that begins the key has what all keys of its sort begin with; its end is its own.
    if (body !== undefined) canaries.add(`the key of ${path.basename(file)}`, body.slice(-24));
  }
}

async function whatPeopleSee(it: Platform): Promise<readonly (readonly [string, string])[]> {
  const seen: (readonly [string, string])[] = [];
  const kinds = (await it.ok(['api-resources', '--verbs=list', '-o', 'name'])).trim().split('\n');
  // Kubernetes' own description of a pod that names a Secret says its name and keys only.
  for (const kind of kinds.filter((name) => name !== 'secrets')) {
    seen.push([kind, await it.ok(['get', kind, '-A', '-o', 'json'])]);
  }
  for (const args of [
    ['describe', 'pods'],
    ['describe', 'secrets'],
    ['describe', 'nodes'],
  ]) {
    seen.push([args.join(' '), await it.ok(args)]);
  }
  const metrics = await it.kubectl(['get', '--raw', '/metrics']);
  seen.push(['/metrics', metrics.stdout + metrics.stderr]);
  const status = await it.knode('status');
  seen.push(['knode status', status.stdout + status.stderr]);
  return seen;
}

/** All files of the home; those that are to hold secrets are for their owner alone. */
function scanHome(
  home: string,
  canaries: Canaries,
): { readonly files: number; readonly holders: number; readonly leaks: readonly string[] } {
  const leaks: string[] = [];
  let [files, holders] = [0, 0];
  for (const file of filesOf(home)) {
    files += 1;
    const name = path.relative(home, file);
    const found = canaries.foundIn(readFileSync(file, 'latin1'));
    if (found.length === 0) continue;
    if (!HOLDERS.some(([pattern]) => pattern.test(name)))
      leaks.push(`${name}: ${found.join(', ')}`);
    else if (isOpen(home, file)) leaks.push(`${name}: others may read it`);
    else holders += 1;
  }
  return { files, holders, leaks };
}

/** Whether another user may read it: no folder on the way keeps them out. */
function isOpen(home: string, file: string): boolean {
  for (let at = file; at !== path.dirname(home); at = path.dirname(at)) {
    const { mode } = lstatSync(at);
    if ((mode & (at === file ? 0o044 : 0o011)) === 0) return false;
  }
  return true;
}

/**
 * Regular files, and no namespace that a mount keeps, which has nothing to read; what containers have as their root is
 * their images', and theirs.
 */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const inner = path.join(folder, entry.name);
    if (entry.isDirectory()) return ['rootfs', 'images'].includes(entry.name) ? [] : filesOf(inner);
    return entry.isFile() && !inner.endsWith('/shared/ipc') ? [inner] : [];
  });
}

/** Everybody on a machine sees with which arguments programs were started; what a person runs in a container is theirs. */
function commandLines(canaries: Canaries): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const line = commandLineOf(pid);
      return canaries.foundIn(line).map((what) => `the arguments of ${line.slice(0, 60)}: ${what}`);
    });
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // It ended meanwhile.
  }
}

/** A registry that wants a password, and never the one it is given. */
async function startRegistry(): Promise<AsyncDisposable & { readonly host: string }> {
  const server = http.createServer((_request, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="private"' });
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Sent {
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The API as the administrator, unless a header says otherwise. */
function apiOf(it: Platform): AsyncDisposable & {
  send(
    method: string,
    target: string,
    sent: Sent,
  ): Promise<{ readonly status: number; readonly text: string }>;
} {
  const { certificate, ...target } = parseKubeconfig(
    readFileSync(path.join(it.home, 'kubeconfig'), 'utf8'),
  );
  const asAdmin = httpsTransport({ ...target, ...(certificate && { certificate }) });
  const asNobody = httpsTransport(target);
  return {
    async send(method, path, { body, type = 'json', headers = {} }) {
      const transport = 'authorization' in headers ? asNobody : asAdmin;
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const reply = await transport.send({
        method,
        target: path,
        headers: { 'content-type': `application/${type}`, ...headers },
        signal: AbortSignal.timeout(30_000),
        ...(body !== undefined && { body: text }),
      });
      const { warning = '' } = reply.headers;
      return { status: reply.status, text: `${warning} ${await bodyText(reply.body)}` };
    },
    async [Symbol.asyncDispose]() {
      await asAdmin[Symbol.asyncDispose]();
      await asNobody[Symbol.asyncDispose]();
    },
  };
}

async function create(it: Platform, object: object): Promise<void> {
  await it.ok(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', ...object }));
}
