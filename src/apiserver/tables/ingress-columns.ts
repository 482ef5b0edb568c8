import type { Ingress } from '#api/networking-v1/ingress.ts';
import type { IngressClass } from '#api/networking-v1/ingress-class.ts';
import type { NetworkPolicy } from '#api/networking-v1/network-policy.ts';
import { ageColumn, column, nameColumn, orNone, type CellsOf } from '#apiserver/tables/column.ts';
import { selectorText } from '#apiserver/tables/template-columns.ts';

const HOSTS_SHOWN = 3;

export const ingressColumns: CellsOf<Ingress> = [
  nameColumn,
  column('Class', ({ spec }) => orNone(spec?.ingressClassName)),
  column('Hosts', ({ spec }) => {
    const hosts = (spec?.rules ?? []).flatMap(({ host }) => (host ? [host] : []));
    if (hosts.length === 0) return '*';
    const more = hosts.length - HOSTS_SHOWN;
    const shown = hosts.slice(0, HOSTS_SHOWN).join(',');
    return more > 0 ? `${shown} + ${more} more...` : shown;
  }),
  column('Address', ({ status }) =>
    (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '').join(','),
  ),
  column('Ports', ({ spec }) => (spec?.tls?.length ? '80, 443' : '80')),
  ageColumn,
];

export const ingressClassColumns: CellsOf<IngressClass> = [
  nameColumn,
  column('Controller', ({ spec }) => spec?.controller ?? ''),
  column('Parameters', ({ spec }) => {
    const { kind, apiGroup, name } = spec?.parameters ?? {};
    if (kind === undefined) return '<none>';
    return `${apiGroup ? `${kind}.${apiGroup}` : kind}/${name ?? ''}`;
  }),
  ageColumn,
];

export const networkPolicyColumns: CellsOf<NetworkPolicy> = [
  nameColumn,
  column('Pod-Selector', ({ spec }) => selectorText(spec?.podSelector)),
  ageColumn,
];
