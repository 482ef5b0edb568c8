import { ApiError } from '#api/meta/api-error.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';

export interface FieldSelector {
  matches(object: KubeObject): boolean;
  /** Where the selector names one object, its name: what authorization is asked about. */
  readonly name?: string;
}

interface Requirement {
  readonly path: readonly string[];
  readonly value: string;
  readonly isEqual: boolean;
}

/** Besides metadata.name and metadata.namespace, which every kind has: Kubernetes' own lists. */
const selectableFields: Readonly<Record<string, readonly string[]>> = {
  pods: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  events: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  'events.events.k8s.io': [
    'regarding.kind',
    'regarding.namespace',
    'regarding.name',
    'regarding.uid',
    'regarding.apiVersion',
    'regarding.resourceVersion',
    'regarding.fieldPath',
    'reason',
    'reportingController',
    'type',
  ],
  secrets: ['type'],
  services: ['spec.clusterIP', 'spec.type'],
  nodes: ['spec.unschedulable'],
  namespaces: ['status.phase'],
  'replicasets.apps': ['status.replicas'],
  'jobs.batch': ['status.successful'],
};

/** Parses `metadata.name=a,status.phase!=Running`. Throws BadRequest for a field this kind cannot be selected by. */
export function parseFieldSelector(kind: Kind, text: string): FieldSelector {
  if (text.trim() === '') return { matches: () => true };
  const requirements = text.split(',').map((part) => parseRequirement(kind, part.trim(), text));
  const name = requirements.find(
    ({ path, isEqual }) => isEqual && path.join('.') === 'metadata.name',
  )?.value;
  return {
    matches: (object) =>
      requirements.every(
        ({ path, value, isEqual }) => (fieldOf(object, path) === value) === isEqual,
      ),
    ...(name !== undefined && { name }),
  };
}

function parseRequirement(kind: Kind, part: string, whole: string): Requirement {
  const match = /^([^=!]+?)(==|=|!=)(.*)$/.exec(part);
  const [, field, operator, value] = match ?? [];
  if (field === undefined || value === undefined) {
    throw new ApiError('BadRequest', `invalid selector: '${whole}'; can't understand '${part}'`);
  }
  const own =
    kind.custom?.selectableFields ??
    selectableFields[resourceOf(kind)] ??
    selectableFields[kind.plural] ??
    [];
  if (!['metadata.name', 'metadata.namespace', ...own].includes(field)) {
    const message =
      own.length > 0
        ? `field label not supported: ${field}`
        : `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`;
    throw new ApiError('BadRequest', message);
  }
  return { path: field.split('.'), value, isEqual: operator !== '!=' };
}

function fieldOf(object: KubeObject, path: readonly string[]): string {
  let value: unknown = object;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return '';
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}
