import type { Container, ContainerPort } from '#api/generated/core-v1.ts';

interface Placed {
  readonly where: string;
  readonly port: ContainerPort;
}

/** Of all containers' ports together, each container with its path: those that get into each other's way. */
export function portWarnings(containers: readonly (readonly [string, Container])[]): string[] {
  const placed = containers.flatMap(([path, { ports = [] }]) =>
    ports.map((port, index): Placed => ({ where: `${path}.ports[${index}]`, port })),
  );
  const clashes = placed.flatMap((one, index) => [
    ...hostWarnings(one),
    ...placed.slice(0, index).flatMap((other) => clash(one, other)),
  ]);
  const names = new Map<string, string>();
  const sameNames = placed.flatMap(({ where, port: { name } }) => {
    if (!name) return [];
    const other = names.get(name);
    if (other === undefined) names.set(name, where);
    if (other === undefined) return [];
    return [
      `${where}: duplicate port name ${JSON.stringify(name)} with ${other}, services and probes that select ports by name will use ${other}`,
    ];
  });
  return [...clashes, ...sameNames];
}

function hostWarnings({ where, port }: Placed): string[] {
  const { name = '', hostPort = 0, hostIP = '', containerPort, protocol = '' } = port;
  if (hostIP === '' || hostPort !== 0) return [];
  const text = `{Name:${name} HostPort:0 ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;
  return [`${where}: hostIP set without hostPort: ${text}`];
}

function clash({ where, port }: Placed, { where: place, port: other }: Placed): string[] {
  if (port.containerPort !== other.containerPort || port.protocol !== other.protocol) return [];
  const [hostPort, otherPort] = [port.hostPort ?? 0, other.hostPort ?? 0];
  const [hostIP, otherIP] = [port.hostIP ?? '', other.hostIP ?? ''];
  const say = (how: string): string[] => [`${where}: ${how} port definition with ${place}`];
  if (hostIP === otherIP && hostPort === otherPort) return say('duplicate');
  if (hostPort === 0 || otherPort === 0) return say('overlapping');
  const isHalfSaid = (hostIP === '') !== (otherIP === '');
  return hostPort === otherPort && isHalfSaid ? say('dangerously ambiguous') : [];
}
