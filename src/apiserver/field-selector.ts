import { ApiError } from '#api/meta/api-error.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';

export interface FieldSelector {
  matches(object: KubeObject): boolean;
  /** Where the selector names one object, its name: what authorization is asked about. */
  readonly name?: string;
}

interface Requirement {
  readonly field: string;
  /** The first that is there counts. */
  readonly paths: readonly (readonly string[])[];
  /** What it is where no path leads anywhere. */
  readonly absent: string;
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
  'jobs.batch': ['status.successful'],
};

/** Those that are not read where their name says, or are not empty where they are absent. */
const derivedFields: Readonly<Record<string, Pick<Requirement, 'paths'> & { absent?: string }>> = {
  'events source': { paths: [['source', 'component'], ['reportingComponent']] },
  'jobs.batch status.successful': { paths: [['status', 'succeeded']], absent: '0' },
  'nodes spec.unschedulable': { paths: [['spec', 'unschedulable']], absent: 'false' },
  'pods spec.hostNetwork': { paths: [['spec', 'hostNetwork']], absent: 'false' },
};

/** What is between commas; a backslash before one, before `=` or before another backslash makes it part of a value. */
const PART = /(?<=^|,)(?:\\.|[^,\\]|\\$)*(?=,|$)/g;
const ESCAPED = /^(?:\\[\\,=]|[^\\,=])*$/;

/** Parses `metadata.name=a,status.phase!=Running`. Throws BadRequest for a field this kind cannot be selected by. */
export function parseFieldSelector(kind: Kind, text: string): FieldSelector {
  if (text.trim() === '') return { matches: () => true };
  const parts = [...text.matchAll(PART)].map(([part]) => part.trim()).filter(Boolean);
  const requirements = parts.map((part) => parseRequirement(kind, part, text));
  const name = requirements.find(
    ({ field, isEqual }) => isEqual && field === 'metadata.name',
  )?.value;
  return {
    matches: (object) =>
      requirements.every(
        (requirement) =>
          (valueOf(object, requirement) === requirement.value) === requirement.isEqual,
      ),
    ...(name !== undefined && { name }),
  };
}

function parseRequirement(kind: Kind, part: string, whole: string): Requirement {
  const match = /^([^=!]+?)(==|=|!=)(.*)$/.exec(part);
  const [, field, operator, escaped = ''] = match ?? [];
  const value = escaped.replaceAll(/\\([\\,=])/g, '$1');
  if (!ESCAPED.test(escaped)) {
    const found = `invalid field selector: '${escaped}' has an unescaped character or an invalid escape sequence`;
    throw new ApiError('BadRequest', found);
  }
  if (field === undefined) {
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
  const isEqual = operator !== '!=';
  const usual = { field, paths: [field.split('.')], absent: '' };
  return { ...usual, ...derivedFields[`${resourceOf(kind)} ${field}`], value, isEqual };
}

function valueOf(object: KubeObject, { paths, absent }: Requirement): string {
  for (const path of paths) {
    const value = fieldOf(object, path);
    if (value !== '') return value;
  }
  return absent;
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
