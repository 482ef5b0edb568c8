import type { IngressClass as Generated } from '#api/generated/networking-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';

const CONTROLLER = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[\w./~%-]+$/;

export type IngressClass = Generated;
export const IngressClass = defineCoreKind<IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  scope: 'Cluster',
  definition: 'io.k8s.api.networking.v1.IngressClass',
  notActedOn: 'IngressClasses are stored, but nothing acts on them yet',
  default({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
  },
  validate({ spec }, { previous }) {
    const path = 'spec.controller';
    const controller = spec?.controller;
    if (!controller) return [required(path)];
    const why = 'must be a domain-prefixed path (such as "acme.io/foo")';
    return [
      ...(CONTROLLER.test(controller) ? [] : [wrongValue(path, controller, why)]),
      ...(previous ? immutableErrors(path, controller, previous.spec?.controller) : []),
    ];
  },
});
