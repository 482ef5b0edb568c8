import { allIn, fieldValueTable, isToken } from '../http1/characters.ts';

/** Fields that a route sets on a request, whatever the client sent under their names. */
export interface AppendedFields {
  /** By name in lower case. */
  readonly values: ReadonlyMap<string, string>;
  /** As field lines. */
  readonly text: string;
}

export const noFields: AppendedFields = { values: new Map(), text: '' };

/** A name or value that is none. */
export class InvalidFields extends Error {
  override readonly name = 'InvalidFields';
}

/** Later maps win over earlier ones. Throws InvalidFields where a name or value would break out of its line. */
export function appendedFields(
  ...maps: readonly (Readonly<Record<string, string>> | undefined)[]
): AppendedFields {
  const fields = new Map<string, string>();
  for (const [name, value] of maps.flatMap((map) => Object.entries(map ?? {}))) {
    if (!isToken(name)) throw new InvalidFields(`appendHeaders: "${name}" is not a field name`);
    if (!allIn(fieldValueTable, value, 0)) {
      throw new InvalidFields(
        `appendHeaders: the value of "${name}" holds a character that no field may`,
      );
    }
    fields.set(name.toLowerCase(), value);
  }
  return fromValues(fields);
}

export function withoutFields(
  { values }: AppendedFields,
  names: ReadonlySet<string>,
): AppendedFields {
  return fromValues(new Map([...values].filter(([name]) => !names.has(name))));
}

/** Those of `later` win. */
export function mergedFields(earlier: AppendedFields, later: AppendedFields): AppendedFields {
  if (earlier.values.size === 0) return later;
  return fromValues(new Map([...earlier.values, ...later.values]));
}

function fromValues(values: ReadonlyMap<string, string>): AppendedFields {
  if (values.size === 0) return noFields;
  const lines = Array.from(values, ([name, value]) => `${name}: ${value}\r\n`);
  return { values, text: lines.join('') };
}
