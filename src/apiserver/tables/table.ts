import type { Column, Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { ageOf } from '#apiserver/tables/age.ts';
import { coreColumns } from '#apiserver/tables/core-columns.ts';
import { valueAt } from '#apiserver/tables/json-path.ts';

/** A column whose cells are computed, for kinds whose rows say more than one field does. */
export interface ComputedColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  cell(object: KubeObject, now: Date): unknown;
}

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface TableOptions {
  readonly now: Date;
  readonly includeObject: IncludeObject;
  /** Of the list the rows come from. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A `meta.k8s.io/v1` Table: what `kubectl get` prints. */
export function tableOf(
  kind: Kind,
  objects: readonly KubeObject[],
  options: TableOptions,
): Record<string, unknown> {
  const columns = columnsOf(kind);
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.metadata,
    columnDefinitions: columns.map(({ name, type, format, description, priority }) => ({
      name,
      type,
      format: format ?? '',
      description: description ?? '',
      priority: priority ?? 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, options.now)),
      object: included(object, options.includeObject),
    })),
  };
}

const nameColumn: ComputedColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique in its namespace.',
  cell: (object) => object.metadata.name ?? '',
};

export const ageColumn: ComputedColumn = {
  name: 'Age',
  type: 'string',
  description: 'How long ago the object was created.',
  cell: (object, now) => ageOf(object.metadata.creationTimestamp, now),
};

function columnsOf(kind: Kind): readonly ComputedColumn[] {
  const computed = coreColumns(kind);
  if (computed) return [nameColumn, ...computed, ageColumn];
  if (kind.columns.length === 0) return [nameColumn, ageColumn];
  return [nameColumn, ...kind.columns.map(pathColumn)];
}

function pathColumn(column: Column): ComputedColumn {
  const { jsonPath, type, ...rest } = column;
  return {
    ...rest,
    type,
    cell(object, now) {
      const value = valueAt(object, jsonPath);
      if (type === 'date') return typeof value === 'string' ? ageOf(value, now) : '<unknown>';
      return value ?? null;
    },
  };
}

function included(object: KubeObject, includeObject: IncludeObject): unknown {
  switch (includeObject) {
    case 'None':
      return undefined;
    case 'Object':
      return object;
    case 'Metadata':
      return {
        kind: 'PartialObjectMetadata',
        apiVersion: 'meta.k8s.io/v1',
        metadata: object.metadata,
      };
  }
}
