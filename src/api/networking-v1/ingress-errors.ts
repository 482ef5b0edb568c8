import { isIP } from 'node:net';
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressSpec,
} from '#api/generated/networking-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { portErrors } from '#api/meta/address-errors.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import {
  dns1035Label,
  nameErrors,
  pathSegment,
  portName,
  subdomain,
  wildcardDomain,
} from '#api/meta/name-errors.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const CLASS = 'kubernetes.io/ingress.class';

export function ingressErrors(
  { metadata, spec = {} }: Ingress,
  previous: Ingress | undefined,
): FieldError[] {
  const { rules = [], defaultBackend, ingressClassName } = spec;
  const why = 'either `defaultBackend` or `rules` must be specified';
  const annotation = metadata.annotations?.[CLASS];
  const isOther = annotation !== undefined && ingressClassName !== undefined;
  const classText = 'must match `ingressClassName` when both are specified';
  return [
    ...(rules.length === 0 && !defaultBackend ? [wrongValue('spec', spec.rules ?? null, why)] : []),
    ...(defaultBackend ? backendErrors(defaultBackend, 'spec.defaultBackend') : []),
    ...rules.flatMap(({ host, http }, index) => {
      const at = `spec.rules[${index}]`;
      const { paths } = http ?? {};
      return [
        ...(host ? hostErrors(host, `${at}.host`) : []),
        ...(http && !paths?.length ? [required(`${at}.http.paths`)] : []),
        ...(paths ?? []).flatMap((path, place) => pathErrors(path, `${at}.http.paths[${place}]`)),
      ];
    }),
    ...tlsErrors(spec),
    ...(ingressClassName === undefined
      ? []
      : nameErrors(subdomain, 'spec.ingressClassName', ingressClassName)),
    ...(!previous && isOther && annotation !== ingressClassName
      ? [wrongValue(`annotations.${CLASS}`, annotation, classText)]
      : []),
  ];
}

function hostErrors(host: string, path: string): FieldError[] {
  return [
    ...(isIP(host) === 0 ? [] : [wrongValue(path, host, 'must be a DNS name, not an IP address')]),
    ...nameErrors(host.includes('*') ? wildcardDomain : subdomain, path, host),
  ];
}

function tlsErrors({ tls = [] }: IngressSpec): FieldError[] {
  return tls.flatMap(({ hosts = [], secretName }, index) => {
    const at = `spec.tls[${index}]`;
    return [
      ...hosts.flatMap((host, place) =>
        nameErrors(host.includes('*') ? wildcardDomain : subdomain, `${at}.hosts[${place}]`, host),
      ),
      ...(secretName ? nameErrors(subdomain, `${at}.secretName`, secretName) : []),
    ];
  });
}

function pathErrors({ path = '', pathType, backend }: HTTPIngressPath, at: string): FieldError[] {
  if (!pathType) return [required(`${at}.pathType`, 'pathType must be specified')];
  return [
    ...unsupportedErrors(`${at}.pathType`, pathType, PATH_TYPES),
    ...(pathType === 'ImplementationSpecific' ? [] : plainErrors(path, `${at}.path`)),
    ...(pathType === 'ImplementationSpecific' && path && !path.startsWith('/')
      ? [wrongValue(`${at}.path`, path, 'must be an absolute path')]
      : []),
    ...backendErrors(backend, `${at}.backend`),
  ];
}

/** A path that is compared as it is written has to be the only way to write it. */
function plainErrors(value: string, path: string): FieldError[] {
  const within = ['//', '/./', '/../', '%2f', '%2F'].filter((part) => value.includes(part));
  const ends = ['/..', '/.'].filter((end) => value.endsWith(end));
  return [
    ...(value.startsWith('/') ? [] : [wrongValue(path, value, 'must be an absolute path')]),
    ...within.map((part) => wrongValue(path, value, `must not contain '${part}'`)),
    ...ends.map((end) => wrongValue(path, value, `cannot end with '${end}'`)),
  ];
}

function backendErrors(backend: IngressBackend | undefined, at: string): FieldError[] {
  const { resource, service } = backend ?? {};
  if (resource && service) {
    return [wrongValue(at, '', 'cannot set both resource and service backends')];
  }
  if (resource) {
    const { apiGroup, kind, name } = resource;
    return [
      ...(apiGroup === undefined ? [] : nameErrors(subdomain, `${at}.resource.apiGroup`, apiGroup)),
      ...segmentErrors(kind, `${at}.resource.kind`),
      ...segmentErrors(name, `${at}.resource.name`),
    ];
  }
  if (!service) return [wrongValue(at, '', 'resource or service backend is required')];
  const path = `${at}.service`;
  return [
    ...(service.name
      ? nameErrors(dns1035Label, `${path}.name`, service.name)
      : [required(`${path}.name`)]),
    ...backendPortErrors(service.port ?? {}, at),
  ];
}

function segmentErrors(value: string, path: string): FieldError[] {
  return value ? nameErrors(pathSegment, path, value) : [required(path)];
}

function backendPortErrors(
  { name, number }: { readonly name?: string; readonly number?: number },
  at: string,
): FieldError[] {
  if (name && number) return [wrongValue(at, '', 'cannot set both port name & port number')];
  if (name) return nameErrors(portName, `${at}.service.port.name`, name);
  if (number) return portErrors(`${at}.service.port.number`, number);
  return [required(at, 'port name or number is required')];
}
