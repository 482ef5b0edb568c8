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

/** The default set without `drop`, with `add`; names as Kubernetes writes them, without `CAP_`. */
export function capabilitiesOf({ add = [], drop = [] }: Changes = {}): readonly string[] {
  if (add.some((name) => name.toUpperCase() === 'ALL'))
    throw new Error('Cannot give a container all capabilities: name those it needs');
  const kept = drop.some((name) => name.toUpperCase() === 'ALL')
    ? []
    : DEFAULT_CAPABILITIES.filter((name) => !drop.map(fullName).includes(name));
  return [...new Set([...kept, ...add.map(fullName)])];
}

function fullName(name: string): string {
  const upper = name.toUpperCase();
  return upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}
