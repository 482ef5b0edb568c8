import type { Ingress as Generated, IngressBackend } from '#api/generated/networking-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];

export type Ingress = Generated;
export const Ingress = defineCoreKind<Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  scope: 'Namespaced',
  definition: 'io.k8s.api.networking.v1.Ingress',
  shortNames: ['ing'],
  subresources: ['status'],
  notActedOn:
    'Ingresses of networking.k8s.io are stored, but no traffic is routed by them yet: use a Knative Service or DomainMapping',
  default(ingress, { operation }) {
    if (operation === 'CREATE') ingress.status = { loadBalancer: {} };
  },
  validate({ spec = {} }) {
    if (!spec.rules?.length && !spec.defaultBackend) {
      return [wrongValue('spec', spec, 'either `defaultBackend` or `rules` must be specified')];
    }
    return [
      ...backendErrors(spec.defaultBackend, 'spec.defaultBackend'),
      ...(spec.rules ?? []).flatMap(({ http }, rule) =>
        (http?.paths ?? []).flatMap(({ path, pathType, backend }, index) => {
          const at = `spec.rules[${rule}].http.paths[${index}]`;
          return pathType
            ? [...pathErrors({ path, pathType }, at), ...backendErrors(backend, `${at}.backend`)]
            : [required(`${at}.pathType`, 'pathType must be specified')];
        }),
      ),
    ];
  },
});

function pathErrors(
  { path, pathType }: { path: string | undefined; pathType: string },
  at: string,
): FieldError[] {
  const isAbsolute = path?.startsWith('/') ?? false;
  return [
    ...unsupportedErrors(`${at}.pathType`, pathType, PATH_TYPES),
    ...(isAbsolute || (pathType === 'ImplementationSpecific' && !path)
      ? []
      : [wrongValue(`${at}.path`, path ?? '', 'must be an absolute path')]),
  ];
}

function backendErrors(backend: IngressBackend | undefined, at: string): FieldError[] {
  if (!backend || backend.resource) return [];
  const { service } = backend;
  if (!service) return [required(at, 'resource or service backend is required')];
  const { name, number } = service.port ?? {};
  return [
    ...(service.name ? [] : [required(`${at}.service.name`)]),
    ...(name || number ? [] : [required(`${at}.service.port`, 'port name or number is required')]),
    ...(name && number
      ? [wrongValue(`${at}.service.port`, service.port, 'cannot set both port name & port number')]
      : []),
  ];
}
