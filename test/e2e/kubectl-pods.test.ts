import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import {
  byAllKubectls,
  byEveryKubectl,
  scriptPod,
  type AskedPod,
} from '#test/support/kubectl-client.ts';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { toolsImage, TOOLS_ENV } from '#test/support/sample-image.ts';

/* What a pod's spec promises, as a person sees it who applies YAML: by a current kubectl, and by one of 2020. */

let it: Platform;
let image: string;

before(async () => {
  it = await startPlatform();
  image = await toolsImage(it);
});
after(async () => await it[Symbol.asyncDispose]());

const every = byEveryKubectl('pods', () => it);
const together = byAllKubectls('pods', () => it);
const pod = (name: string, asked: AskedPod): object => scriptPod(image, name, asked);

every(
  'variables come from all their sources, in order, and may name each other',
  async (client) => {
    const name = `env-${client.name}`;
    const map = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: { COLOR: 'green' },
    };
    const secret = { ...map, kind: 'Secret', data: undefined, stringData: { KEY: 'open' } };
    const fieldOf = (fieldPath: string): object => ({ fieldRef: { fieldPath } });
    const amount = (resource: string, divisor: string): object => ({
      resourceFieldRef: { resource, divisor },
    });
    const env = [
      ...TOOLS_ENV,
      { name: 'BOTH', value: '$(MAP_COLOR)-$(KEY)-$$(KEY)-$(NONE)' },
      { name: 'ONE', valueFrom: { configMapKeyRef: { name, key: 'COLOR' } } },
      { name: 'LATER', valueFrom: { secretKeyRef: { name, key: 'absent', optional: true } } },
      { name: 'NAME', valueFrom: fieldOf('metadata.name') },
      { name: 'LABEL', valueFrom: fieldOf("metadata.labels['tier']") },
      { name: 'ADDRESS', valueFrom: fieldOf('status.podIP') },
      { name: 'NODE', valueFrom: fieldOf('spec.nodeName') },
      { name: 'MEBI', valueFrom: amount('limits.memory', '1Mi') },
      { name: 'MILLI', valueFrom: amount('requests.cpu', '1m') },
    ];
    const envFrom = [
      { prefix: 'MAP_', configMapRef: { name } },
      { secretRef: { name } },
      { configMapRef: { name: 'absent', optional: true } },
    ];
    const script =
      'echo "$BOTH|$ONE|${LATER-unset}|$NAME|$LABEL|$MEBI|$MILLI|$1"; echo "$ADDRESS $NODE"';
    const resources = { requests: { cpu: '250m' }, limits: { memory: '64Mi' } };
    const args = ['script', '$(KEY)'];
    await client.apply(
      map,
      secret,
      pod(name, {
        script,
        container: { env, envFrom, resources, args },
        metadata: { labels: { tier: 'gold' } },
      }),
    );
    const [first, second] = (await client.said(name)).split('\n');
    assert.equal(first, `green-open-$(KEY)-$(NONE)|green|unset|${name}|gold|64|250|open`);
    const { spec, status } = await client.podOnce(name, () => true);
    assert.equal(second, `${status?.podIP} ${spec?.nodeName}`);
  },
);

every(
  'volumes of every kind are where they should be, and files change with their source',
  async (client) => {
    const name = `files-${client.name}`;
    const map = (word: string): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: { word, other: 'o' },
    });
    const secret = (word: string): object => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name },
      stringData: { word },
    });
    const fieldRef = { fieldPath: 'metadata.annotations' };
    const volumes = [
      { name: 'scratch', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
      { name: 'some', configMap: { name, items: [{ key: 'word', path: 'in/word', mode: 0o400 }] } },
      { name: 'secret', secret: { secretName: name, defaultMode: 0o440 } },
      { name: 'pod', downwardAPI: { items: [{ path: 'notes', fieldRef }] } },
      {
        name: 'all',
        projected: {
          sources: [
            { configMap: { name } },
            {
              downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] },
            },
            { serviceAccountToken: { path: 'token', expirationSeconds: 600 } },
          ],
        },
      },
      { name: 'path', hostPath: { path: '/etc', type: 'Directory' } },
    ];
    const at = (volume: string, mountPath: string, rest: object = {}): object => ({
      name: volume,
      mountPath,
      ...rest,
    });
    const volumeMounts = [
      at('scratch', '/scratch'),
      at('scratch', '/part', { subPath: 'a/b' }),
      at('scratch', '/mine', { subPathExpr: 'of/$(NAME)' }),
      at('memory', '/memory'),
      at('some', '/some'),
      at('secret', '/secret'),
      at('secret', '/once', { subPath: 'word' }),
      at('pod', '/pod'),
      at('all', '/all'),
      at('path', '/machine', { readOnly: true }),
    ];
    const script = `echo x > /part/file; echo y > /mine/file; ls /scratch/a/b /scratch/of/*
    grep ' /memory ' /proc/mounts; cat /some/in/word; echo; cat /pod/notes; echo; ls /all; cat /all/name; echo
    head -c 3 /all/token; echo; ls /machine/hostname; (echo z > /machine/knode-test) 2>/dev/null || echo refused
    ls -lL /secret/word; (echo z > /secret/word) 2>/dev/null || echo kept
    until [ "$(cat /all/word /secret/word)" = secondnew ]; do sleep 0.2; done; echo "changed, but $(cat /once)"`;
    const variable = { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } };
    const container = {
      volumeMounts,
      env: [...TOOLS_ENV, variable],
      securityContext: { runAsUser: 0 },
    };
    await client.apply(
      map('first'),
      secret('old'),
      pod(name, {
        script,
        container,
        spec: { volumes },
        metadata: { annotations: { note: 'kept' } },
      }),
    );
    await client.podOnce(name, ({ phase }) => phase === 'Running');
    await client.apply(map('second'), secret('new'));
    const text = await client.said(name);
    for (const expected of [
      /^\/scratch\/a\/b:\nfile\n\n\/scratch\/of\/files-\w+:\nfile$/m,
      /^tmpfs \/memory tmpfs .*size=8192k/m,
      /^first$/m,
      /^note="kept"$/m,
      /^name\nother\ntoken\nword$/m,
      new RegExp(`^${name}$`, 'm'),
      /^eyJ$/m,
      /^\/machine\/hostname$/m,
      /^refused$/m,
      /^-r--r----- /m,
      /^kept$/m,
      /^changed, but old$/m,
    ])
      assert.match(text, expected);
  },
);

every(
  'users, groups, capabilities and filters are those of its security context',
  async (client) => {
    const show = `id; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; ls -ldn /data
    (echo x > /file) 2>/dev/null && echo written; unshare -U id 2>/dev/null || echo kept; mount -t tmpfs x /data 2>/dev/null || echo unmounted`;
    const volumes = [{ name: 'data', emptyDir: {} }];
    const volumeMounts = [{ name: 'data', mountPath: '/data' }];
    const strict = `strict-${client.name}`;
    const bare = `bare-${client.name}`;
    const open = `open-${client.name}`;
    await client.apply(
      pod(strict, {
        script: show,
        spec: {
          volumes,
          securityContext: {
            runAsUser: 1234,
            runAsGroup: 2345,
            supplementalGroups: [3456],
            supplementalGroupsPolicy: 'Strict',
            fsGroup: 4567,
            runAsNonRoot: true,
            seccompProfile: { type: 'RuntimeDefault' },
          },
        },
        container: {
          volumeMounts,
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      }),
      pod(bare, {
        script: show,
        spec: { volumes },
        container: {
          volumeMounts,
          securityContext: {
            runAsUser: 0,
            capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
          },
        },
      }),
      pod(open, {
        script: show,
        spec: { volumes },
        container: { volumeMounts, securityContext: { privileged: true, runAsUser: 0 } },
      }),
    );
    const narrow = await client.said(strict);
    assert.match(narrow, /^uid=1234 gid=2345 groups=2345,3456,4567$/m);
    assert.match(narrow, /^CapEff:\s+0{16}$/m);
    assert.match(narrow, /^NoNewPrivs:\s+1$/m);
    assert.match(narrow, /^Seccomp:\s+2$/m);
    assert.match(narrow, /^drwxrwsrwx \d+ 0 4567 /m);
    assert.ok(!narrow.includes('written'), narrow);
    assert.match(narrow, /^kept$[\s\S]*^unmounted$/m);
    const dropped = await client.said(bare);
    assert.match(dropped, /^CapEff:\s+0{13}400$/m);
    assert.match(dropped, /^NoNewPrivs:\s+0$/m);
    // Root, but the filter refuses what would make more of it.
    assert.match(dropped, /^kept$[\s\S]*^unmounted$/m);
    const wide = await client.said(open);
    assert.match(wide, /^Seccomp:\s+0$/m);
    assert.ok(wide.includes('written') && !/kept|unmounted/.test(wide), wide);
  },
);

every('its names and how it asks for others are as its spec says', async (client) => {
  const own = `named-${client.name}`;
  const none = `none-${client.name}`;
  const machines = `machines-${client.name}`;
  const both = `both-${client.name}`;
  const script = 'cat /proc/sys/kernel/hostname /etc/hostname /etc/hosts /etc/resolv.conf';
  const hostAliases = [{ ip: '10.9.8.7', hostnames: ['db', 'db.example'] }];
  await client.apply(
    pod(own, {
      script,
      spec: {
        hostname: 'own',
        subdomain: 'team',
        setHostnameAsFQDN: true,
        hostAliases,
        dnsConfig: { options: [{ name: 'ndots', value: '2' }], searches: ['more.example'] },
      },
    }),
    pod(none, {
      script,
      spec: {
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['192.0.2.1'], searches: ['x.example'] },
      },
    }),
    pod(machines, { script, spec: { dnsPolicy: 'Default', hostNetwork: true } }),
    pod(both, { script, spec: { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true } }),
  );
  const named = await client.said(own);
  assert.match(named, /^own\.team\.default\.svc\.cluster\.local\nown\n/);
  assert.match(named, /^[\d.]+\town\.team\.default\.svc\.cluster\.local\town$/m);
  assert.match(named, /^10\.9\.8\.7\tdb\tdb\.example$/m);
  assert.match(
    named,
    /^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local more\.example$/m,
  );
  assert.match(named, /^options .*ndots:2/m);
  const alone = await client.said(none);
  assert.match(alone, new RegExp(`^${none}\n${none}\n`));
  assert.match(alone, /^nameserver 192\.0\.2\.1\nsearch x\.example$/m);
  assert.ok(!alone.includes('cluster.local'), alone);
  assert.ok(!(await client.said(machines)).includes('svc.cluster.local'));
  const mixed = await client.said(both);
  assert.match(mixed, /^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/m);
  assert.ok(mixed.startsWith(`${os.hostname()}\n`), mixed);
});

every(
  'its cgroup has its CPU shares and quota, memory and processes, and who takes more memory is killed',
  async (client) => {
    const name = `bounded-${client.name}`;
    const greedy = `greedy-${client.name}`;
    const read = (v1: string, v2: string): string =>
      `cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}`;
    const script = [
      read('cpu/cpu.shares', 'cpu.weight'),
      read('cpu/cpu.cfs_quota_us', 'cpu.max'),
      read('memory/memory.limit_in_bytes', 'memory.max'),
      read('pids/pids.max', 'pids.max'),
    ].join('; ');
    const resources = { requests: { cpu: '500m' }, limits: { cpu: '1500m', memory: '96Mi' } };
    const command = ['node', '-e', 'for (const all = []; ; ) all.push(Buffer.alloc(1e6, 1))'];
    await client.apply(
      pod(name, { script, container: { resources } }),
      pod(greedy, { script: '', container: { command, resources } }),
    );
    // v2's weight of half a processor is 20 of 100; its quota comes with its period.
    assert.match(
      await client.said(name),
      /^(512\n150000\n100663296|20\n150000 100000\n100663296)\n4096\n$/,
    );
    const killed = await client.podOnce(greedy, ({ phase }) => phase === 'Failed');
    const end = killed.status?.containerStatuses?.[0]?.state?.terminated;
    assert.deepEqual([end?.reason, end?.exitCode], ['OOMKilled', 137]);
    assert.match(await client.ok(['get', 'pod', greedy]), /OOMKilled/);
  },
);

every('containers begin in order, fail with a word, and begin again later', async (client) => {
  const [ordered, words, crash] = ['ordered', 'words', 'crash'].map(
    (name) => `${name}-${client.name}`,
  ) as [string, string, string];
  const volumes = [{ name: 'said', emptyDir: {} }];
  const says = (name: string, then: string, rest: object = {}): object => ({
    name,
    image,
    env: TOOLS_ENV,
    command: ['sh', '-c', `echo ${name} >> /said/all; ${then}`],
    volumeMounts: [{ name: 'said', mountPath: '/said' }],
    ...rest,
  });
  const failing = {
    terminationMessagePath: '/tmp/last',
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
  await client.apply(
    pod(ordered, {
      script: '',
      spec: {
        volumes,
        initContainers: [
          says('first', 'true'),
          says('beside', 'trap "exit 0" TERM; while true; do sleep 0.1; done', {
            restartPolicy: 'Always',
          }),
          says('second', 'true'),
        ],
        containers: [says('main', 'cat /said/all')],
      },
    }),
    pod(words, {
      script: 'echo from the file > /tmp/last; exit 3',
      container: { ...failing, terminationMessagePolicy: 'File' },
      spec: { volumes: [] },
    }),
    pod(crash, {
      script: 'echo no database; exit 4',
      container: failing,
      spec: { restartPolicy: 'OnFailure' },
    }),
  );
  assert.equal(await client.said(ordered), 'first\nbeside\nsecond\nmain\n');
  const failed = await client.podOnce(words, ({ phase }) => phase === 'Failed');
  const last = failed.status?.containerStatuses?.[0]?.state?.terminated;
  assert.deepEqual([last?.exitCode, last?.message], [3, 'from the file\n']);
  const looping = await client.podOnce(crash, ({ containerStatuses: [one] = [] }) =>
    Boolean(one?.lastState?.terminated && one.state?.waiting),
  );
  const before = looping.status?.containerStatuses?.[0]?.lastState?.terminated;
  assert.deepEqual([before?.exitCode, before?.message], [4, 'no database\n']);
  assert.match(await client.ok(['get', 'pod', crash]), /CrashLoopBackOff/);
  assert.equal(await client.ok(['logs', '--previous', crash]), 'no database\n');
  await client.ok(['delete', 'pod', crash]);
});

every(
  'probes say who is ready and who is not to live on; hooks have run before',
  async (client) => {
    const unready = `unready-${client.name}`;
    const probe = (command: string): object => ({
      exec: { command: ['sh', '-c', command] },
      periodSeconds: 1,
      failureThreshold: 1,
      // A busy machine is no failure.
      timeoutSeconds: 20,
    });
    await client.apply(
      pod(unready, {
        script: 'trap "exit 0" TERM; while true; do sleep 0.1; done',
        container: {
          readinessProbe: probe('test -e /tmp/ready'),
          livenessProbe: probe('test ! -e /tmp/dead'),
          lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo hooked > /tmp/hook'] } } },
        },
        spec: { restartPolicy: 'Always' },
      }),
    );
    await client.podOnce(unready, ({ phase }) => phase === 'Running');
    assert.match(
      await client.ok(['get', 'pod', unready, '--no-headers']),
      /^\S+ +0\/1 +Running +0 /,
    );
    const inside = async (command: string): Promise<string> =>
      await client.ok(['exec', unready, '--', 'sh', '-c', command]);
    assert.equal(await inside('cat /tmp/hook; echo > /tmp/ready'), 'hooked\n');
    await client.ok(['wait', '--for=condition=Ready', `pod/${unready}`, '--timeout=30s']);
    await inside('echo > /tmp/dead');
    const again = await client.podOnce(
      unready,
      ({ containerStatuses: [one] = [] }) =>
        one?.restartCount === 1 && one.state?.running !== undefined,
    );
    assert.equal(again.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 0);
    await client.ok(['delete', 'pod', unready]);
  },
);

together(
  'what keeps it from beginning is said, and it begins once that is there',
  async (client) => {
    const [settings, password] = [client.own('settings'), client.own('password')];
    const data = { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
    const volume = (source: object): object => ({ volumes: [{ name: 'data', ...source }] });
    const hostPath = (type: string): object => volume({ hostPath: { path: '/etc', type } });
    const env = [
      ...TOOLS_ENV,
      { name: 'KEY', valueFrom: { secretKeyRef: { name: password, key: 'key' } } },
    ];
    const absent = { type: 'Localhost', localhostProfile: 'absent.json' };
    const folder = path.join(it.home, client.own('folder'));
    mkdirSync(folder);
    symlinkSync('/etc', path.join(folder, 'link'));
    const outside = { mountPath: '/part', subPath: 'link/passwd' };
    const secured = (securityContext: object): object => ({ container: { securityContext } });
    const rows: Readonly<Record<string, readonly [reason: string, says: RegExp, asked: object]>> = {
      variable: [
        'CreateContainerConfigError',
        new RegExp(`secret "${password}" not found`),
        { script: 'echo "$KEY"', container: { env } },
      ],
      file: [
        'FailedMount',
        new RegExp(`FailedMount .*configmap "${settings}" not found`),
        {
          script: 'cat /data/word',
          container: data,
          spec: volume({ configMap: { name: settings } }),
        },
      ],
      kind: [
        'FailedMount',
        /FailedMount .*hostPath type check failed: \/etc is not a file/,
        { container: data, spec: hostPath('File') },
      ],
      root: [
        'CreateContainerConfigError',
        /container has runAsNonRoot and image will run as root/,
        secured({ runAsNonRoot: true, runAsUser: 0 }),
      ],
      filter: [
        'CreateContainerConfigError',
        /cannot load seccomp profile .*absent\.json/,
        secured({ seccompProfile: absent }),
      ],
      kernel: [
        'SysctlForbidden',
        /"kernel\.msgmax" not allowlisted/,
        { spec: { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } } },
      ],
      leaves: [
        'CreateContainerConfigError',
        /leads out of its volume/,
        {
          container: { volumeMounts: [{ name: 'data', ...outside }] },
          spec: volume({ hostPath: { path: folder } }),
        },
      ],
    };
    const named = Object.entries(rows).map(([name, row]) => [client.own(name), ...row] as const);
    await client.apply(
      ...named.map(([name, , , asked]) => pod(name, { script: 'echo begun', ...asked })),
    );
    for (const [name, reason, says] of named) {
      await client.podOnce(
        name,
        ({ containerStatuses: [one] = [] }) => one?.state?.waiting?.reason === reason,
      );
      await client.until(async () => await client.ok(['describe', 'pod', name]), says);
    }
    await client.ok(['create', 'secret', 'generic', password, '--from-literal=key=open']);
    await client.ok(['create', 'configmap', settings, '--from-literal=word=there']);
    assert.equal(await client.said(client.own('variable')), 'open\n');
    assert.equal(await client.said(client.own('file')), 'there');
  },
);

together('what is said of it, from the first word to the last', async (client) => {
  const names = ['well', 'crash', 'absent', 'unready', 'unpulled'].map((name) => client.own(name));
  const [well, crash, absent, unready, unpulled] = names as [
    string,
    string,
    string,
    string,
    string,
  ];
  const always = { spec: { restartPolicy: 'Always' } };
  const stays = 'trap "exit 0" TERM; while true; do sleep 0.1; done';
  const readinessProbe = { tcpSocket: { port: 1 }, periodSeconds: 1 };
  await client.apply(
    pod(well, { script: stays }),
    pod(crash, { script: 'exit 3', ...always }),
    pod(absent, { script: '', container: { command: ['/bin/absent'] }, ...always }),
    pod(unready, { script: stays, container: { readinessProbe } }),
    pod(unpulled, { script: '', container: { image: image.replace(/[^/]+$/, 'nobody:1') } }),
  );
  const says = async (name: string, ...all: readonly RegExp[]): Promise<void> => {
    for (const words of all)
      await client.until(async () => await client.ok(['describe', 'pod', name]), words);
  };
  await says(well, /Scheduled .*assigned/, /Pulling image/, /Created container: main/);
  await says(well, /Started container main/);
  const backOff = `BackOff .*restarting failed container main in pod ${crash}_default`;
  await says(crash, new RegExp(`CrashLoopBackOff[^]*Exit Code: +3[^]*${backOff}`));
  await says(absent, /StartError[^]*Message: +runc create failed: [^]*"\/bin\/absent"/);
  const refused = /Unhealthy .*Readiness probe failed: dial tcp .*:1: connect: connection refused/;
  await says(unready, refused);
  await says(unpulled, /(ErrImagePull|ImagePullBackOff)[^]*Failed to pull image/);
  await client.ok(['delete', 'pod', ...names]);
  const events = await client.ok([
    'get',
    'events',
    '--field-selector',
    `involvedObject.name=${well}`,
  ]);
  assert.match(events, /Killing .*Stopping container main/);
});

together('the last words of a container have their bounds', async (client) => {
  const lines = (count: number): string =>
    `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo "line $i"; done`;
  const fallback = { terminationMessagePolicy: 'FallbackToLogsOnError' };
  const rows: Readonly<Record<string, readonly [AskedPod, RegExp]>> = {
    long: [{ script: `node -p "'x'.repeat(1e5)" > /dev/termination-log; exit 1` }, /^x{4095}\n$/],
    tail: [
      { script: `${lines(200)}; exit 1`, container: fallback },
      /^line 121\n(line \d+\n){79}$/,
    ],
    well: [{ script: lines(3), container: fallback }, /^$/],
    either: [
      {
        script: 'echo printed; echo written > /dev/termination-log; exit 1',
        container: fallback,
      },
      /^written\n$/,
    ],
  };
  const named = Object.entries(rows).map(([name, row]) => [client.own(name), ...row] as const);
  await client.apply(...named.map(([name, asked]) => pod(name, asked)));
  for (const [name, , message] of named) {
    const { status } = await client.podOnce(name, ({ phase = '' }) => /Succ|Fail/.test(phase));
    const [one] = status?.containerStatuses ?? [];
    assert.match(one?.state?.terminated?.message ?? '', message, name);
  }
});
