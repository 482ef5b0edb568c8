import type { ResourceRequirements } from '#api/generated/core-v1.ts';
import { amountOf } from '#api/meta/quantity.ts';
import type { OciDevice } from '#agent/oci/host-devices.ts';
import type { OciSeccomp } from '#agent/oci/seccomp.ts';
import type { OciUser } from '#agent/oci/user.ts';

export interface OciMount {
  readonly destination: string;
  readonly source: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** One container, with everything looked up: what the pure builder needs to know. */
export interface ContainerPlan {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: OciUser;
  readonly capabilities: readonly string[];
  readonly isTerminal?: boolean;
  readonly isRootReadOnly: boolean;
  readonly mayGainPrivileges: boolean;
  readonly seccomp?: OciSeccomp;
  readonly hostname: string;
  /** Namespaces that are there already and that it joins, by kind; the pod's network is one. */
  readonly joined: Readonly<Record<string, string>>;
  /** The pod's shared memory; its own where absent. */
  readonly sharedMemory?: string;
  readonly cgroupsPath: string;
  readonly resources: ResourceRequirements;
  /** Given to it besides its own few; it may then use every device. */
  readonly hostDevices?: readonly OciDevice[];
  /** It sees all of /proc and /sys, and may write to them where it has the rights. */
  readonly isUnmasked?: boolean;
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Kinds of namespaces that it has none of its own of: the machine's. */
  readonly shared?: readonly string[];
  /** -1000 to 1000: how soon the kernel ends it when memory is short (proc(5), oom_score_adj). */
  readonly oomScoreAdj?: number;
  readonly mounts: readonly OciMount[];
}

/** A container's config.json (OCI runtime spec 1.0.2). No rlimit is set: none may be raised above the machine's own. */
export function ociSpec(plan: ContainerPlan): OciSpec {
  const capabilities = plan.user.uid === 0 ? plan.capabilities : [];
  return {
    ociVersion: '1.0.2',
    hostname: plan.hostname,
    root: { path: 'rootfs', readonly: plan.isRootReadOnly },
    process: {
      terminal: plan.isTerminal ?? false,
      user: plan.user,
      args: plan.args,
      env: plan.env,
      cwd: plan.cwd,
      noNewPrivileges: !plan.mayGainPrivileges,
      ...(plan.oomScoreAdj !== undefined && { oomScoreAdj: plan.oomScoreAdj }),
      // Another user than root gains them only by a program that has them on file.
      capabilities: {
        bounding: plan.capabilities,
        effective: capabilities,
        permitted: capabilities,
      },
    },
    mounts: [...systemMounts(plan), ...plan.mounts],
    linux: {
      namespaces: [
        ...NAMESPACES.filter(
          (type) => !plan.shared?.includes(type) && !Object.hasOwn(plan.joined, type),
        ).map((type) => ({ type })),
        ...Object.entries(plan.joined).map(([type, path]) => ({ type, path })),
      ],
      cgroupsPath: plan.cgroupsPath,
      resources: {
        ...ociResources(plan.resources),
        ...(plan.hostDevices && { devices: [{ allow: true, access: 'rwm' }] }),
      },
      maskedPaths: plan.isUnmasked ? [] : MASKED_PATHS,
      readonlyPaths: plan.isUnmasked ? [] : READONLY_PATHS,
      ...(plan.hostDevices && { devices: plan.hostDevices }),
      ...(plan.sysctls && { sysctl: plan.sysctls }),
      ...(plan.seccomp && { seccomp: plan.seccomp }),
    },
  };
}

export interface OciSpec {
  readonly ociVersion: string;
  readonly hostname: string;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly process: {
    readonly terminal: boolean;
    readonly user: OciUser;
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly noNewPrivileges: boolean;
    readonly oomScoreAdj?: number;
    readonly capabilities: Readonly<Record<string, readonly string[]>>;
  };
  readonly mounts: readonly OciMount[];
  readonly linux: {
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
    readonly cgroupsPath: string;
    readonly resources: OciResources;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly seccomp?: OciSeccomp;
    readonly devices?: readonly OciDevice[];
    readonly sysctl?: Readonly<Record<string, string>>;
  };
}

export interface OciResources {
  readonly cpu: { readonly shares: number; readonly quota?: number; readonly period?: number };
  readonly memory?: { readonly limit: number };
  readonly pids: { readonly limit: number };
  readonly devices: readonly { readonly allow: boolean; readonly access: string }[];
}

const NAMESPACES: readonly string[] = ['pid', 'ipc', 'uts', 'mount', 'cgroup'];

/** Bounds a fork bomb; far above what a program that serves requests starts. */
const PIDS_MAX = 4096;
const CPU_PERIOD_US = 100_000;
/** The kernel's lower bounds (cgroup v1 cpu.shares, CFS quota). */
const SHARES_MIN = 2;
const QUOTA_MIN_US = 1_000;

export function ociResources({ requests = {}, limits = {} }: ResourceRequirements): OciResources {
  const cpuLimit = limits['cpu'];
  const cpuRequest = requests['cpu'] ?? cpuLimit ?? 0;
  const memory = limits['memory'];
  return {
    cpu: {
      shares: Math.max(SHARES_MIN, Math.floor(amountOf(cpuRequest) * 1024)),
      ...(cpuLimit !== undefined && {
        quota: Math.max(QUOTA_MIN_US, Math.floor(amountOf(cpuLimit) * CPU_PERIOD_US)),
        period: CPU_PERIOD_US,
      }),
    },
    ...(memory !== undefined && { memory: { limit: Math.floor(amountOf(memory)) } }),
    pids: { limit: PIDS_MAX },
    // runc adds null, zero, full, random, urandom, tty and the pts devices.
    devices: [{ allow: false, access: 'rwm' }],
  };
}

function systemMount(destination: string, type: string, options: readonly string[] = []): OciMount {
  return { destination, type, source: type, options: ['nosuid', 'noexec', ...options] };
}

/** With shared memory of the pod's or the machine's, and with all of /sys, where that was asked for. */
function systemMounts({ sharedMemory, hostDevices }: ContainerPlan): readonly OciMount[] {
  const isOpen = hostDevices !== undefined;
  return SYSTEM_MOUNTS.map((mount) => {
    if (mount.destination === '/dev/shm' && sharedMemory !== undefined) {
      const options = ['rbind', 'rw', 'nosuid', 'noexec', 'nodev'];
      return { ...mount, type: 'bind', source: sharedMemory, options };
    }
    if (!isOpen || !mount.destination.startsWith('/sys')) return mount;
    return { ...mount, options: mount.options.map((option) => (option === 'ro' ? 'rw' : option)) };
  });
}

const SYSTEM_MOUNTS: readonly OciMount[] = [
  systemMount('/proc', 'proc', ['nodev']),
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  systemMount('/dev/pts', 'devpts', ['newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
  { ...systemMount('/dev/shm', 'tmpfs', ['nodev', 'mode=1777', 'size=65536k']), source: 'shm' },
  systemMount('/dev/mqueue', 'mqueue', ['nodev']),
  systemMount('/sys', 'sysfs', ['nodev', 'ro']),
  systemMount('/sys/fs/cgroup', 'cgroup', ['nodev', 'relatime', 'ro']),
];

/** Parts of /proc and /sys that tell about, or change, the machine rather than the container. */
const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];
