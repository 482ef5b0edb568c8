/** One OpenAPI v3 schema as Kubernetes publishes it; only what the rendering reads is named. */
interface Definition {
  type?: string;
  format?: string;
  $ref?: string;
  allOf?: Definition[];
  oneOf?: Definition[];
  items?: Definition;
  additionalProperties?: Definition | boolean;
  properties?: Record<string, Definition>;
  required?: string[];
  description?: string;
  default?: unknown;
  'x-kubernetes-group-version-kind'?: unknown;
}
export type Definitions = Record<string, Definition>;

const REF = '#/components/schemas/';
/** Definitions whose type is plain data, or is written by hand elsewhere. */
const KNOWN: Record<string, string> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'string | number',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'string | number',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'string',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'string',
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': 'Record<string, unknown>',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'Record<string, unknown>',
  'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': 'ObjectMeta',
  'io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference': 'OwnerReference',
};

/** File names and their texts: `core-v1.json` with schemas, `core-v1.ts` with types, for each group and version. */
export function renderTypes(definitions: Definitions, stamp: string): Map<string, string> {
  const files = new Map<string, string>();
  const groups = Map.groupBy(Object.keys(definitions).toSorted(), fileOf);
  for (const [file, names] of groups) {
    const schemas = Object.fromEntries(
      names.map((name) => [name, withoutProse(definitions[name] ?? {})]),
    );
    files.set(`${file}.json`, `${JSON.stringify({ generated: stamp, schemas }, null, 1)}\n`);
    const types = names.filter((name) => !KNOWN[name] && definitions[name]?.properties);
    if (types.length > 0) files.set(`${file}.ts`, typesFile(file, types, definitions, stamp));
  }
  return files;
}

/** `io.k8s.api.core.v1.Pod` is in `core-v1`; `io.k8s.apimachinery.pkg.apis.meta.v1.Status` in `meta-v1`. */
function fileOf(name: string): string {
  const [group, version] = name.split('.').slice(-3);
  if (name.startsWith('io.k8s.apimachinery.pkg.') && !/^v\d/.test(version ?? '')) return 'meta-v1';
  return `${group}-${version}`;
}

function withoutProse(definition: unknown): unknown {
  if (Array.isArray(definition)) return definition.map(withoutProse);
  if (typeof definition !== 'object' || definition === null) return definition;
  const kept = Object.entries(definition).filter(
    ([key, value]) => !(key === 'description' && typeof value === 'string'),
  );
  return Object.fromEntries(
    kept.map(([key, value]) => [
      key,
      key === '$ref' ? String(value).slice(REF.length) : withoutProse(value),
    ]),
  );
}

function typesFile(
  file: string,
  names: readonly string[],
  definitions: Definitions,
  stamp: string,
): string {
  const imports = new Map<string, Set<string>>();
  const typeOf = (definition: Definition): string => {
    const ref = definition.$ref ?? definition.allOf?.[0]?.$ref;
    if (ref) return typeOfRef(ref.slice(REF.length), { file, imports, definitions });
    if (definition.oneOf) return 'string | number';
    if (definition.type === 'array') return `${parenthesize(typeOf(definition.items ?? {}))}[]`;
    if (definition.type === 'object') {
      const values = definition.additionalProperties;
      return `Record<string, ${typeof values === 'object' ? typeOf(values) : 'unknown'}>`;
    }
    if (definition.type === 'integer' || definition.type === 'number') return 'number';
    return definition.type ?? 'unknown';
  };
  const bodies = names.map((name) => {
    const definition = definitions[name] ?? {};
    const isObject =
      definition['x-kubernetes-group-version-kind'] && definition.properties?.['metadata'];
    const required = new Set(definition.required);
    const fields = Object.entries(definition.properties ?? {}).map(([field, schema]) => {
      const always = required.has(field) || (isObject && OBJECT_FIELDS.has(field));
      const key = /^[A-Za-z_$][\w$]*$/.test(field) ? field : `'${field}'`;
      return `  ${key}${always ? '' : '?'}: ${typeOf(schema)};`;
    });
    return `export interface ${shortName(name)} {\n${fields.join('\n')}\n}`;
  });
  const heads = [...imports]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([from, symbols]) => {
      const source = from === 'object-meta' ? '#api/meta/object-meta.ts' : `./${from}.ts`;
      return `import type { ${[...symbols].toSorted().join(', ')} } from '${source}';`;
    });
  return `// ${stamp}\n${[...heads, '', ...bodies].join('\n')}\n`;
}

/** What an object always has, though OpenAPI calls it optional. */
const OBJECT_FIELDS = new Set(['apiVersion', 'kind', 'metadata']);

interface Rendering {
  readonly file: string;
  readonly imports: Map<string, Set<string>>;
  readonly definitions: Definitions;
}

function typeOfRef(name: string, { file, imports, definitions }: Rendering): string {
  const known = KNOWN[name];
  const symbol = known ?? shortName(name);
  const from = known === undefined ? fileOf(name) : 'object-meta';
  if (known !== undefined && known !== 'ObjectMeta' && known !== 'OwnerReference') return known;
  if (known === undefined && !definitions[name]?.properties) return 'unknown';
  if (from !== file) imports.set(from, (imports.get(from) ?? new Set()).add(symbol));
  return symbol;
}

function shortName(name: string): string {
  return name.split('.').at(-1) ?? name;
}

function parenthesize(type: string): string {
  return type.includes('|') ? `(${type})` : type;
}
