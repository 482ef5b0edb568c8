import type { Pod } from '#api/core-v1/pod.ts';
import type { Service } from '#api/core-v1/service.ts';

/**
 * The variables that tell of Services, as Docker's links did: of `kubernetes` always, of the pod's namespace unless
 * `enableServiceLinks` is false. Names and values are Kubernetes'.
 */
export function serviceEnvironment(
  { metadata, spec }: Pod,
  servicesOf: (namespace: string) => readonly Service[],
): Readonly<Record<string, string>> {
  const api = servicesOf('default').filter((service) => service.metadata.name === 'kubernetes');
  const linked = spec?.enableServiceLinks === false ? [] : servicesOf(metadata.namespace ?? '');
  const all = [...api, ...linked].flatMap(variablesOf);
  return Object.fromEntries(all);
}

function variablesOf({ metadata, spec }: Service): (readonly [string, string])[] {
  const address = spec?.clusterIP ?? '';
  const [first] = spec?.ports ?? [];
  if (address === '' || address === 'None' || !first) return [];
  const name = upper(metadata.name ?? '');
  const urlOf = ({ protocol = 'TCP', port }: typeof first): string =>
    `${protocol.toLowerCase()}://${address}:${port}`;
  return [
    [`${name}_SERVICE_HOST`, address],
    [`${name}_SERVICE_PORT`, String(first.port)],
    [`${name}_PORT`, urlOf(first)],
    ...(spec?.ports ?? []).flatMap((port) => {
      const { protocol = 'TCP' } = port;
      const prefix = `${name}_PORT_${port.port}_${protocol}`;
      return [
        ...(port.name
          ? [[`${name}_SERVICE_PORT_${upper(port.name)}`, String(port.port)] as const]
          : []),
        [prefix, urlOf(port)] as const,
        [`${prefix}_PROTO`, protocol.toLowerCase()] as const,
        [`${prefix}_PORT`, String(port.port)] as const,
        [`${prefix}_ADDR`, address] as const,
      ];
    }),
  ];
}

function upper(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
