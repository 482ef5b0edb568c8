import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilitiesOf, DEFAULT_CAPABILITIES, grantable } from '#agent/oci/capabilities.ts';
import { ociResources, ociSpec, type ContainerPlan } from '#agent/oci/oci-spec.ts';
import { ociSeccomp } from '#agent/oci/seccomp.ts';
import { resolveUser } from '#agent/oci/user.ts';

const plan: ContainerPlan = {
  args: ['/app'],
  env: ['A=1'],
  cwd: '/',
  user: { uid: 0, gid: 0, additionalGids: [] },
  capabilities: DEFAULT_CAPABILITIES,
  isRootReadOnly: false,
  mayGainPrivileges: true,
  hostname: 'web',
  joined: { network: '/run/netns/x' },
  cgroupsPath: '/knode-x/web',
  resources: {},
  mounts: [],
};

test('spec: raises no rlimit, hides the machine, shares the network namespace', () => {
  const spec = ociSpec(plan);
  assert.ok(!('rlimits' in spec.process));
  assert.ok(spec.linux.maskedPaths.includes('/proc/kcore'));
  assert.ok(spec.mounts.find((mount) => mount.destination === '/sys')?.options.includes('ro'));
  assert.deepEqual(
    spec.linux.namespaces.find(({ type }) => type === 'network'),
    { type: 'network', path: '/run/netns/x' },
  );
});

test('spec: only root starts with capabilities', () => {
  const spec = ociSpec({ ...plan, user: { uid: 1000, gid: 1000, additionalGids: [] } });
  assert.deepEqual(spec.process.capabilities['effective'], []);
  assert.deepEqual(spec.process.capabilities['bounding'], DEFAULT_CAPABILITIES);
});

test('resources: shares from requests, quota and memory from limits', () => {
  const none = ociResources({});
  assert.deepEqual(none.cpu, { shares: 2 });
  assert.equal(none.memory, undefined);
  const some = ociResources({
    requests: { cpu: '250m' },
    limits: { cpu: '1500m', memory: '64Mi' },
  });
  assert.deepEqual(some.cpu, { shares: 256, quota: 150_000, period: 100_000 });
  assert.deepEqual(some.memory, { limit: 64 * 2 ** 20 });
});

test('capabilities: dropped before added', () => {
  assert.deepEqual(capabilitiesOf({ drop: ['ALL'], add: ['NET_BIND_SERVICE'] }), [
    'CAP_NET_BIND_SERVICE',
  ]);
  assert.ok(!capabilitiesOf({ drop: ['NET_RAW'] }).includes('CAP_NET_RAW'));
  const all = grantable('CapBnd:\t0000000000000007\n');
  assert.deepEqual(all, ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH']);
  assert.deepEqual(capabilitiesOf({ add: ['ALL'], drop: ['CHOWN'] }, all), all.slice(1));
});

const passwd = 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n';
const group = 'root:x:0:\nnode:x:1001:\naudio:x:29:node\n';

test('user: names are looked up in the image, the pod overrides the image', () => {
  const check = (
    input: Partial<Parameters<typeof resolveUser>[0]>,
    expected: ReturnType<typeof resolveUser>,
  ): void =>
    assert.deepEqual(
      resolveUser({ imageUser: '', container: {}, pod: {}, passwd, group, ...input }),
      expected,
    );
  check({}, { uid: 0, gid: 0, additionalGids: [] });
  check({ imageUser: 'node' }, { uid: 1000, gid: 1001, additionalGids: [29] });
  check({ imageUser: '5:audio' }, { uid: 5, gid: 29, additionalGids: [] });
  check({ container: { runAsUser: 1000 } }, { uid: 1000, gid: 1001, additionalGids: [29] });
  check({ imageUser: 'node', pod: { runAsGroup: 7 } }, { uid: 1000, gid: 7, additionalGids: [29] });
  const fails = (input: Partial<Parameters<typeof resolveUser>[0]>, message: RegExp): void =>
    assert.throws(
      () => resolveUser({ imageUser: '', container: {}, pod: {}, passwd, group, ...input }),
      message,
    );
  fails({ imageUser: 'nobody' }, /does not name it/);
  fails({ pod: { runAsNonRoot: true } }, /runAsNonRoot/);
});

test('seccomp: conditions on architecture and capabilities are decided', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
    syscalls: [
      { names: ['read', 'clone'], action: 'SCMP_ACT_ALLOW', args: null },
      { names: ['bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['bpf'], action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['unshare'], action: 'SCMP_ACT_ALLOW' },
      { names: ['sync_file_range2'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm64'] } },
    ],
  };
  const filter = ociSeccomp(profile, { arch: 'x64', capabilities: [] });
  assert.deepEqual(filter.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  assert.deepEqual(filter.syscalls.slice(0, 2), [
    { names: ['read'], action: 'SCMP_ACT_ALLOW' },
    { names: ['bpf'], action: 'SCMP_ACT_ERRNO' },
  ]);
  const ruleOf = (name: string, capabilities: readonly string[]): (string | boolean)[] =>
    ociSeccomp(profile, { arch: 'x64', capabilities })
      .syscalls.filter(({ names }) => names.includes(name))
      .flatMap(({ action, args }) => [action, args !== undefined]);
  assert.deepEqual(ruleOf('unshare', []), ['SCMP_ACT_ERRNO', false]);
  assert.deepEqual(ruleOf('clone', []), ['SCMP_ACT_ALLOW', true], 'but for new namespaces');
  assert.deepEqual(ruleOf('unshare', ['CAP_SYS_ADMIN']), ['SCMP_ACT_ALLOW', false]);
});
