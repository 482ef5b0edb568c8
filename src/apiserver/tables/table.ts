import type { Column, Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { ageOf } from '#apiserver/tables/age.ts';
import {
  ageColumn,
  nameColumn,
  type CellsOf,
  type ComputedColumn,
} from '#apiserver/tables/column.ts';
import { coreColumns } from '#apiserver/tables/core-columns.ts';
import { valueAt } from '#apiserver/tables/json-path.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface TableOptions {
  readonly now: Date;
  readonly includeObject: IncludeObject;
  /** Of the list the rows come from. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** False where a reader knows the columns already; they are told unless it is. */
  readonly hasColumns?: boolean;
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
    columnDefinitions: options.hasColumns === false ? null : columns.map(definitionOf),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, options.now)),
      object: included(object, options.includeObject),
    })),
  };
}

function definitionOf(column: ComputedColumn<KubeObject>): Record<string, unknown> {
  const { name, type, format = '', description = '', priority = 0 } = column;
  return { name, type, format, description, priority };
}

function columnsOf(kind: Kind): CellsOf<KubeObject> {
  const core = coreColumns(kind);
  if (core) return core;
  if (kind.columns.length === 0) return [nameColumn, ageColumn];
  return [nameColumn, ...kind.columns.map(pathColumn)];
}

function pathColumn(column: Column): ComputedColumn<KubeObject> {
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
      return null;
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
