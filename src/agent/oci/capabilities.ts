/** What a container may do unless its spec says otherwise: containerd's and Docker's set. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

interface Changes {
  readonly add?: readonly string[];
  readonly drop?: readonly string[];
}

/** Every capability that Linux has (capabilities(7)), by its number. */
const ALL_CAPABILITIES: readonly string[] = `
  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
  NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
  SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG
  MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
  BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

/** All that this machine lets its own root have, from the text of `/proc/self/status`: nobody can be given more. */
export function grantable(status: string): readonly string[] {
  const mask = BigInt(`0x${/^CapBnd:\s*(\S+)/m.exec(status)?.[1] ?? '0'}`);
  return ALL_CAPABILITIES.filter((_, number) => (mask >> BigInt(number)) & 1n);
}

/** The default set without `drop`, with `add`; names as Kubernetes writes them, without `CAP_`. */
export function capabilitiesOf(
  { add = [], drop = [] }: Changes = {},
  all: readonly string[] = ALL_CAPABILITIES,
): readonly string[] {
  const isAll = (name: string): boolean => name.toUpperCase() === 'ALL';
  const dropped = drop.map(fullName);
  if (add.some(isAll)) return all.filter((name) => !dropped.includes(name));
  const kept = drop.some(isAll)
    ? []
    : DEFAULT_CAPABILITIES.filter((name) => !dropped.includes(name));
  return [...new Set([...kept, ...add.map(fullName)])];
}

function fullName(name: string): string {
  const upper = name.toUpperCase();
  return upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}
