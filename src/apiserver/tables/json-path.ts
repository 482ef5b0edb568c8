const STEP =
  /\.([A-Za-z_$][\w$-]*)|\['((?:\\.|[^'])*)'\]|\[(\d+|\*)\]|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\]/y;

/**
 * The value a printer column's path names: `.status.conditions[?(@.type=="Ready")].status`, `.metadata.labels['a\.b/c']`.
 * The first match where several are; undefined where there is none, or where the path is of no form known.
 */
export function valueAt(object: unknown, path: string): unknown {
  let values: unknown[] = [object];
  const step = new RegExp(STEP);
  while (step.lastIndex < path.length) {
    const match = step.exec(path);
    if (!match) return undefined;
    const [, field, quotedField, index, filterPath, wanted] = match;
    const name = field ?? quotedField?.replaceAll(/\\(.)/g, '$1');
    values = values.flatMap((value) => {
      if (name !== undefined) return fieldOf(value, name);
      if (!Array.isArray(value)) return [];
      if (index === '*') return value as unknown[];
      if (index !== undefined) return value.slice(Number(index), Number(index) + 1) as unknown[];
      return (value as unknown[]).filter((item) => valueAt(item, `.${filterPath}`) === wanted);
    });
  }
  return values[0];
}

function fieldOf(value: unknown, name: string): unknown[] {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return [];
  return [(value as Readonly<Record<string, unknown>>)[name]];
}
