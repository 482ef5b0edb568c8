import { dereference } from '#api/definitions.ts';
import type { Random } from '#base/random.ts';
import type { Schema } from '#api/schema.ts';

export type Fields = Record<string, unknown>;

/** Deeper than this only what is required is filled in: JSON schemas and affinities hold themselves. */
const DEPTH_MAX = 9;
/** How likely an optional field is at the top; deeper ones are less so. */
const SHARE = 0.5;

/** Plain words for fields that are picky in ways schemas do not say: what matches first is taken. */
const WORDS: readonly (readonly [field: RegExp, words: readonly string[]])[] = [
  [/^namespace$/, ['default']],
  [/^image$/, ['sample:v1', 'registry.example/a/b@sha256:abc']],
  [/([pP]ath|Dir|mountPath)$/, ['/a', '/b/c', '/']],
  [/(IP|^ip|Address|^address)$/, ['10.0.0.1', '192.168.7.9', 'fd00::1']],
  [/CIDR/, ['10.0.0.0/24']],
  [/^(uid|resourceVersion)$/, ['7f0c1b5a-0000-4000-a000-000000000001']],
  [/^(apiVersion|apiGroup|group|version)$/, ['v1', 'apps/v1', 'example.com']],
  [/^schedule$/, ['@daily', '*/5 * * * *', '0 3 * * 1']],
  [/^timeZone$/, ['Etc/UTC', 'Europe/Berlin']],
  [/^(name|.*Name|.*Ref)$/, ['a', 'b-1', 'main', 'x7']],
  [/^(key|topologyKey|labelKey)$/, ['app', 'example.com/zone', 'a']],
];

const TEXTS = [
  'a',
  'b-1',
  '',
  'true',
  '7',
  '10.0.0.1',
  '/x',
  'example.com/x',
  'Exists',
  'TCP',
  'None',
  '100m',
  'https://example.com/hook',
  'Grüße, 世界 \u{1f600}',
  'two\nlines',
  '\u0000\u202e"\\',
  'x'.repeat(300),
] as const;

/** Chance in the forms that tests draw from. */
export class Chance {
  readonly #random: Random;
  constructor(random: Random) {
    this.#random = random;
  }
  fraction(): number {
    return this.#random.fraction();
  }
  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.#random.fraction() * count);
  }
  pick<T>(items: readonly T[]): T {
    // There is one at each index below the length; an empty list is the caller's mistake.
    return items[this.below(items.length)] as T;
  }
}

/** A value that the schema allows, as far as it says; `field` is the name under which it will stand. */
export function randomValue(
  reference: Schema,
  chance: Chance,
  { field = '', depth = 0 }: { readonly field?: string; readonly depth?: number } = {},
): unknown {
  const named = namedValue(reference.$ref ?? reference.allOf?.[0]?.$ref ?? '', chance);
  if (named !== undefined) return named;
  const schema = dereference(reference);
  if (schema.enum) return chance.pick(schema.enum);
  if (schema['x-kubernetes-int-or-string'] || schema.format === 'int-or-string') {
    return chance.below(2) === 0 ? chance.below(100) : chance.pick(['http', '25%', '8080']);
  }
  switch (schema.type) {
    case 'boolean':
      return chance.below(2) === 0;
    case 'integer':
      // Each of these is a pod, where somebody makes them.
      if (/^(replicas|parallelism|completions|maxReplicas)$/.test(field)) return chance.below(5);
      return chance.pick([0, 1, 2, 3, 5, 80, 600, 8080, chance.below(100_000), -1]);
    case 'number':
      return chance.pick([0, 0.5, 1e-7, 3]);
    case 'string':
      return randomText(field, schema, chance);
    case 'array': {
      const { items } = schema;
      if (!items) return [];
      const count = depth > DEPTH_MAX ? 0 : chance.pick([0, 1, 1, 2, 3]);
      return Array.from({ length: count }, () =>
        randomValue(items, chance, { field, depth: depth + 1 }),
      );
    }
    case 'object':
    case undefined:
      return randomFields(schema, chance, { field, depth });
  }
}

/** Of the types of Kubernetes' own whose schemas say less than they take. */
function namedValue(definition: string, chance: Chance): unknown {
  switch (definition.split('.').at(-1) ?? '') {
    case 'Quantity':
      return chance.pick(['100m', '1', 2, '1Gi', '0.5', '1e3', '1500m', '1.5Gi', 0.25, '12Ki']);
    case 'Time':
      return chance.pick(['2026-01-02T03:04:05Z', '2026-01-02T03:04:05+02:00']);
    case 'MicroTime':
      return chance.pick(['2026-01-02T03:04:05.123456Z', '2026-01-02T03:04:05Z']);
    default:
      return undefined;
  }
}

function randomText(field: string, schema: Schema, chance: Chance): string {
  if (schema.format === 'date-time') return '2026-01-02T03:04:05Z';
  if (schema.format === 'byte') {
    return Buffer.from(chance.pick(TEXTS)).toString('base64');
  }
  const words = WORDS.find(([pattern]) => pattern.test(field))?.[1];
  // Now and then what nobody expects there.
  return words && chance.fraction() < 0.9 ? chance.pick(words) : chance.pick(TEXTS);
}

function randomFields(
  schema: Schema,
  chance: Chance,
  { field, depth }: { readonly field: string; readonly depth: number },
): unknown {
  const { properties, additionalProperties, required = [] } = schema;
  if (!properties && typeof additionalProperties !== 'object') return randomJson(chance, 2);
  const share = depth > DEPTH_MAX ? 0 : SHARE / (1 + depth / 2);
  const object: Fields = {};
  for (const [name, property] of Object.entries(properties ?? {})) {
    if (!required.includes(name) && chance.fraction() >= share) continue;
    object[name] = randomValue(property, chance, { field: name, depth: depth + 1 });
  }
  if (typeof additionalProperties === 'object' && depth <= DEPTH_MAX) {
    for (let left = chance.pick([0, 1, 1, 2, 3]); left > 0; left -= 1) {
      const key = chance.pick(['a', 'b-1', 'app', 'cpu', 'memory', 'example.com/x', 'c.txt']);
      object[key] = randomValue(additionalProperties, chance, { field, depth: depth + 1 });
    }
  }
  return object;
}

/** Anything that JSON can say. */
function randomJson(chance: Chance, depth: number): unknown {
  const leaf = (): unknown =>
    chance.pick<unknown>([
      null,
      true,
      false,
      0,
      -1,
      1.5,
      1e308,
      Number.MAX_SAFE_INTEGER,
      -(2 ** 31) - 1,
      '',
      ...TEXTS,
    ]);
  if (depth === 0) return leaf();
  const inner = (): unknown => randomJson(chance, depth - 1);
  switch (chance.below(4)) {
    case 0:
      return Array.from({ length: chance.below(4) }, inner);
    case 1:
      return Object.fromEntries(
        Array.from({ length: chance.below(4) }, () => [chance.pick(KEYS), inner()]),
      );
    default:
      return leaf();
  }
}

const KEYS = [
  'a',
  'name',
  'key',
  '__proto__',
  'constructor',
  'toString',
  '',
  '$patch',
  '$retainKeys',
  '$setElementOrder/containers',
  '$deleteFromPrimitiveList/finalizers',
  'k:{"name":"a"}',
  'f:spec',
  '.',
  '~1',
  '0',
] as const;

/** One place in a value: who holds it, and under what name. */
interface Place {
  readonly holder: Fields;
  readonly name: string;
}

/** A copy with one to three changes that its author would not make: of values, keys, elements, or parts that swap places. */
export function mutated(value: Fields, chance: Chance): Fields {
  const copy: Fields = { root: structuredClone(value) };
  for (let left = 1 + chance.below(3); left > 0; left -= 1) mutateOnce(copy, chance);
  const { root } = copy;
  return typeof root === 'object' && root !== null ? (root as Fields) : value;
}

function mutateOnce(copy: Fields, chance: Chance): void {
  const places = placesOf(copy).slice(1);
  if (places.length === 0) return;
  const { holder, name } = chance.pick(places);
  switch (chance.below(6)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(name), 1);
      else Reflect.deleteProperty(holder, name);
      return;
    case 1: {
      const other = chance.pick(places);
      holder[name] = structuredClone(other.holder[other.name]);
      return;
    }
    case 2:
      if (Array.isArray(holder)) holder.push(structuredClone(holder[Number(name)]));
      else setOwn(holder, chance.pick(KEYS), randomJson(chance, 2));
      return;
    default:
      holder[name] = randomJson(chance, 3);
  }
}

function placesOf(holder: Fields): Place[] {
  return Object.entries(holder).flatMap(([name, value]) => [
    { holder, name },
    ...(typeof value === 'object' && value !== null ? placesOf(value as Fields) : []),
  ]);
}

/** Also for `__proto__`, which JSON may have as a key like any other. */
function setOwn(holder: Fields, name: string, value: unknown): void {
  Object.defineProperty(holder, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

/** The steps of a complaint's path: `spec.containers[0].ports[a.b]` → spec, containers, 0, ports, a.b. */
export function stepsOf(path: string): string[] {
  return [...path.matchAll(/\[(?<key>[^\]]*)\]|(?<field>[^.[\]]+)/g)].map(
    ({ groups }) => groups?.['key'] ?? groups?.['field'] ?? '',
  );
}

/** The schema of what is at these steps; undefined where it says nothing. */
export function schemaAt(schema: Schema, steps: readonly string[]): Schema | undefined {
  const [step, ...rest] = steps;
  if (step === undefined) return schema;
  const { items, properties, additionalProperties } = dereference(schema);
  const inner =
    (properties && Object.hasOwn(properties, step) ? properties[step] : undefined) ??
    items ??
    (typeof additionalProperties === 'object' ? additionalProperties : undefined);
  return inner && schemaAt(inner, rest);
}
