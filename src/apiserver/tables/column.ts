import type { KubeObject } from '#api/meta/object-meta.ts';
import { ageOf } from '#apiserver/tables/age.ts';

/** A column whose cells are computed, for kinds whose rows say more than one field does. */
export interface ComputedColumn<T extends KubeObject> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format?: string;
  readonly description?: string;
  /** Shown only in wide output when above 0. */
  readonly priority?: number;
  cell(object: T, now: Date): unknown;
}

export type CellsOf<T extends KubeObject> = readonly ComputedColumn<T>[];

export const nameColumn: ComputedColumn<KubeObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique in its namespace.',
  cell: ({ metadata }) => metadata.name ?? '',
};

export const ageColumn: ComputedColumn<KubeObject> = {
  name: 'Age',
  type: 'string',
  description: 'How long ago the object was created.',
  cell: ({ metadata }, now) => ageOf(metadata.creationTimestamp, now),
};

export const createdColumn: ComputedColumn<KubeObject> = {
  name: 'Created At',
  type: 'date',
  cell: ({ metadata }) => metadata.creationTimestamp ?? '<unknown>',
};

/** A column of strings, as nearly all are, some of numbers among them: as Kubernetes has them. */
export function column<T extends KubeObject>(
  name: string,
  cell: (object: T, now: Date) => unknown,
): ComputedColumn<T> {
  return { name, type: 'string', cell };
}

export function integerColumn<T extends KubeObject>(
  name: string,
  cell: (object: T) => number,
): ComputedColumn<T> {
  return { name, type: 'integer', cell };
}

/** Shown by `-o wide` alone. */
export function wideColumn<T extends KubeObject>(
  name: string,
  cell: (object: T, now: Date) => unknown,
): ComputedColumn<T> {
  return { name, type: 'string', priority: 1, cell };
}

export function orNone(text: string | undefined): string {
  return text ? text : '<none>';
}

/** `app=a,tier=b`, in the order of the keys. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return orNone(pairs.map((pair) => pair.join('=')).join(','));
}
