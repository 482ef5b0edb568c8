import type { Endpoints } from '#api/core-v1/endpoints.ts';
import type { Service } from '#api/core-v1/service.ts';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import {
  ageColumn,
  column,
  labelsText,
  nameColumn,
  orNone,
  wideColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';

/** More would push everything else off the line. */
const ENDPOINTS_SHOWN = 3;

export const serviceColumns: CellsOf<Service> = [
  nameColumn,
  column('Type', ({ spec }) => spec?.type ?? ''),
  column('Cluster-IP', ({ spec }) => orNone(spec?.clusterIP)),
  column('External-IP', externalAddress),
  column('Port(s)', ({ spec }) =>
    orNone(
      (spec?.ports ?? [])
        .map(
          ({ port, nodePort, protocol }) =>
            `${port}${nodePort ? `:${nodePort}` : ''}/${protocol ?? 'TCP'}`,
        )
        .join(','),
    ),
  ),
  ageColumn,
  wideColumn('Selector', ({ spec }) => labelsText(spec?.selector)),
];

export const endpointsColumns: CellsOf<Endpoints> = [
  nameColumn,
  column('Endpoints', ({ subsets }) => {
    const all = (subsets ?? []).flatMap(({ addresses, ports }) =>
      (addresses ?? []).flatMap(({ ip }) => (ports ?? []).map(({ port }) => `${ip}:${port}`)),
    );
    return shortened(all);
  }),
  ageColumn,
];

export const endpointSliceColumns: CellsOf<EndpointSlice> = [
  nameColumn,
  column('AddressType', ({ addressType }) => addressType),
  column('Ports', ({ ports }) =>
    ports?.length ? shortened(ports.map(({ port }) => String(port ?? '*'))) : '<unset>',
  ),
  column('Endpoints', ({ endpoints }) => {
    const addresses = (endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []);
    return addresses.length === 0 ? '<unset>' : shortened(addresses);
  }),
  ageColumn,
];

function externalAddress({ spec, status }: Service): string {
  const fixed = spec?.externalIPs ?? [];
  if (spec?.type === 'ExternalName') return spec.externalName ?? '';
  if (spec?.type !== 'LoadBalancer') return orNone(fixed.join(','));
  const ingress = status?.loadBalancer?.ingress ?? [];
  const given = ingress.map(({ ip, hostname }) => ip ?? hostname ?? '');
  return [...given, ...fixed].join(',') || '<pending>';
}

function shortened(items: readonly string[]): string {
  const shown = items.slice(0, ENDPOINTS_SHOWN).join(',');
  const more = items.length - ENDPOINTS_SHOWN;
  return more > 0 ? `${shown} + ${more} more...` : orNone(shown);
}
