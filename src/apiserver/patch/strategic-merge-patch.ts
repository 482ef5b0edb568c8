import { dereference } from '#api/definitions.ts';
import type { Schema } from '#api/schema.ts';
import { isFields } from '#apiserver/patch/merge-patch.ts';
import {
  badDirective,
  strategiesOf,
  withoutDirectives,
  type Fields,
} from '#apiserver/patch/directives.ts';
import { mergeList } from '#apiserver/patch/strategic-list.ts';

/*
 * Kubernetes' strategic merge patch: a merge patch in which lists merge where the schema says so
 * (x-kubernetes-patch-strategy, -merge-key), and which gives orders in fields that begin with a dollar sign.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */

const DELETE_FROM_LIST = '$deleteFromPrimitiveList/';
const ELEMENT_ORDER = '$setElementOrder/';

/** Returns a new value; neither argument is changed. Throws BadRequest for orders that make no sense. */
export function applyStrategicMergePatch(schema: Schema, target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  return mergeFields(schema, isFields(target) ? target : {}, patch);
}

function mergeFields(reference: Schema, target: Fields, patch: Fields): Fields {
  const schema = dereference(reference);
  const directive = patch['$patch'];
  if (directive === 'replace') return withoutDirectives(patch);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw badDirective('$patch', directive);
  const merged = new Map(Object.entries(retained(target, patch)));
  for (const [name, value] of Object.entries(patch)) {
    if (name === '$patch' || name === '$retainKeys') continue;
    if (name.startsWith(DELETE_FROM_LIST)) {
      const list = name.slice(DELETE_FROM_LIST.length);
      merged.set(list, withoutValues(merged.get(list), value));
    } else if (name.startsWith(ELEMENT_ORDER)) {
      // An order for a list that the patch itself does not change: only the order is new.
      const list = name.slice(ELEMENT_ORDER.length);
      if (!Object.hasOwn(patch, list)) setMerged(merged, { schema, name: list, value: [], patch });
    } else if (value === null) {
      merged.delete(name);
    } else {
      setMerged(merged, { schema, name, value, patch });
    }
  }
  return Object.fromEntries(merged);
}

function setMerged(
  merged: Map<string, unknown>,
  field: { schema: Schema; name: string; value: unknown; patch: Fields },
): void {
  const { name, value } = field;
  const schema = fieldSchema(field.schema, name);
  const current = merged.get(name);
  if (Array.isArray(value)) {
    const order = field.patch[`${ELEMENT_ORDER}${name}`];
    const isAbsent = current === undefined && value.length === 0 && order !== undefined;
    if (isAbsent) return;
    merged.set(
      name,
      mergeList(schema, Array.isArray(current) ? current : [], {
        patch: value,
        order,
        mergeElement: mergeFields,
      }),
    );
  } else if (isFields(value)) {
    // A field that the schema does not let merge (`replace`) is taken whole, its directives left out.
    const isReplaced = strategiesOf(schema).includes('replace');
    const base = isFields(current) && !isReplaced ? current : {};
    if (value['$patch'] === 'delete') merged.delete(name);
    else merged.set(name, mergeFields(schema, base, value));
  } else {
    merged.set(name, value);
  }
}

function fieldSchema(schema: Schema, name: string): Schema {
  const { properties, additionalProperties } = schema;
  if (properties && Object.hasOwn(properties, name)) return properties[name] ?? {};
  return typeof additionalProperties === 'object' ? additionalProperties : {};
}

/** `$retainKeys` names the fields that may stay: for unions, where a new member replaces the old. */
function retained(target: Fields, patch: Fields): Fields {
  const keys = patch['$retainKeys'];
  if (keys === undefined) return target;
  if (!Array.isArray(keys)) throw badDirective('$retainKeys', keys);
  return Object.fromEntries(Object.entries(target).filter(([name]) => keys.includes(name)));
}

function withoutValues(list: unknown, values: unknown): unknown {
  if (!Array.isArray(values)) throw badDirective('$deleteFromPrimitiveList', values);
  return Array.isArray(list) ? list.filter((item) => !values.includes(item)) : list;
}
