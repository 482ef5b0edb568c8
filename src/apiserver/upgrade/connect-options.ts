import { isTrue } from '#api/meta/query-flag.ts';
import type { Sent } from '#apiserver/admission/consult.ts';

/** The kinds of what a client asks for when it connects, by subresource of a pod. */
export const CONNECT_KINDS = {
  attach: 'PodAttachOptions',
  exec: 'PodExecOptions',
  portforward: 'PodPortForwardOptions',
} as const;

export type ConnectSubresource = keyof typeof CONNECT_KINDS;

const FLAGS = ['stdin', 'stdout', 'stderr', 'tty'];

/** The options that a query holds, as the object that Kubernetes makes of them. */
export function connectOptions(subresource: ConnectSubresource, query: URLSearchParams): Sent {
  const kind = { group: '', version: 'v1', kind: CONNECT_KINDS[subresource] };
  const typed = { kind: kind.kind, apiVersion: 'v1' };
  if (subresource === 'portforward') {
    const ports = query
      .getAll('ports')
      .flatMap((text) => text.split(','))
      .map(Number);
    return { kind, value: { ...typed, ...(ports.length > 0 && { ports }) } };
  }
  const flags = FLAGS.filter((name) => isTrue(query, name));
  const container = query.get('container');
  const command = subresource === 'exec' ? query.getAll('command') : [];
  return {
    kind,
    value: {
      ...typed,
      ...Object.fromEntries(flags.map((name) => [name, true])),
      ...(container && { container }),
      ...(command.length > 0 && { command }),
    },
  };
}
