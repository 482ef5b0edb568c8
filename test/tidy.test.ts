import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { layers } from '#layers.ts';

const SPECIFIER = /\b(?:from|import)\s*\(?\s*['"]([#.][^'"]+)['"]/g;
const BANNED_NAMES =
  /\/(index|utils?|helpers?|common|misc|types|interfaces|constants|manager)\.(test\.)?ts$/;

/** Calls that belong to one folder, with what to use elsewhere. */
const BANNED_CALLS: readonly { call: RegExp; only: RegExp; instead: string }[] = [
  { call: /\bconsole\.\w+\(/, only: /^$/, instead: 'a Log, or process.stdout in cli/' },
  {
    call: /\bprocess\.env\b/,
    // The last one is a program of its own: it runs in images.
    only: /^src\/(main|cli\/.*|images\/layer-builder\/serve-files)\.ts$/,
    instead: 'an option that main.ts or cli/ hands in',
  },
  { call: /\bDate\.now\(|\bnew Date\(\)/, only: /^src\/base\//, instead: 'a Clock' },
  { call: /\bMath\.random\b/, only: /^src\/base\//, instead: 'a Random' },
  { call: /\bsetInterval\(/, only: /^$/, instead: 'clock.after, or an event' },
  { call: /\bas any\b/, only: /^$/, instead: 'unknown and a parser' },
];

/** The top folder of src/ that an import lands in: `#api/kind.ts` and `../api/kind.ts` are both `api`. */
function landsIn(path: string, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1).split('/')[0] ?? '';
  return posix.join(posix.dirname(path), specifier).split('/')[1] ?? '';
}

function layerViolations(path: string, text: string): string[] {
  const from = path.split('/')[1] ?? '';
  if (!Object.hasOwn(layers, from)) return [`${path} is in no layer; add ${from} to src/layers.ts`];
  // A test may use what test/support makes, which is wired from every layer.
  const extra = path.endsWith('.test.ts') ? ['test'] : [];
  const allowed: readonly string[] = [...layers[from as keyof typeof layers].imports, ...extra];
  return [...text.matchAll(SPECIFIER)]
    .map((match) => landsIn(path, match[1] ?? ''))
    .filter((to) => to !== from && !allowed.includes(to))
    .map((to) => `${path} imports ${to}; ${from} may import only [${allowed.join(', ')}]`);
}

function sources(): string[] {
  const files = globSync('src/**/*.ts').filter((file) => !file.includes('/generated/'));
  assert.ok(files.length > 40, 'too few files found: these checks would pass without looking');
  return files;
}

test('every folder imports only the folders below it', () => {
  const layered = sources().filter((file) => file.split('/').length > 2);
  const found = layered.flatMap((file) => layerViolations(file, readFileSync(file, 'utf8')));
  assert.deepEqual(found, []);
});

test('the layer check catches every way round it', () => {
  for (const text of [
    "import { a } from '#api/a.ts';",
    "import type { A } from '#api/a.ts';",
    "export * from '#api/a.ts';",
    "import '#api/a.ts';",
    "await import('#api/a.ts');",
    "import { a } from '../../api/a.ts';",
    "import {\n  a,\n} from '#api/a.ts';",
    "import { a } from '#test/support/a.ts';",
  ]) {
    assert.equal(layerViolations('src/store/sqlite/x.ts', text).length, 1, text);
  }
  assert.equal(layerViolations('src/newcomer/x.ts', '').length, 1, 'a folder nobody placed');
  assert.deepEqual(layerViolations('src/store/sqlite/x.ts', "import '../store.ts';"), []);
});

/** The file that an import lands in, from the root of the tree. */
function fileOf(path: string, specifier: string): string {
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}`;
  return posix.join(posix.dirname(path), specifier);
}

/** Files that import each other in a circle: a walk that comes back to where it is, told by its files. */
function circles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const walked = new Set<string>();
  const walk = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(' -> '));
    if (walked.has(file)) return;
    walked.add(file);
    for (const next of imports.get(file) ?? []) walk(next, [...way, file]);
  };
  for (const file of imports.keys()) walk(file, []);
  return found;
}

test('no files import each other in a circle, not even for a type', () => {
  const importsOf = (file: string): string[] =>
    [...readFileSync(file, 'utf8').matchAll(SPECIFIER)].map(([, to = '']) => fileOf(file, to));
  assert.deepEqual(circles(new Map(sources().map((file) => [file, importsOf(file)]))), []);
  const one = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['b']],
  ]);
  assert.deepEqual(circles(one), ['b -> c -> b']);
});

test('no file has a name that says nothing', () => {
  assert.deepEqual(
    sources().filter((file) => BANNED_NAMES.test(file)),
    [],
  );
  assert.match('src/api/utils.ts', BANNED_NAMES);
});

function bannedCalls(path: string, text: string): string[] {
  return BANNED_CALLS.filter(({ call, only }) => call.test(text) && !only.test(path)).map(
    ({ call, instead }) => `${path} has ${call.source}; use ${instead}`,
  );
}

test('no file calls what another folder owns', () => {
  const code = sources().filter((file) => !file.endsWith('.test.ts'));
  assert.deepEqual(
    code.flatMap((file) => bannedCalls(file, readFileSync(file, 'utf8'))),
    [],
  );
  assert.equal(bannedCalls('src/api/x.ts', 'const t = Date.now();').length, 1);
  assert.equal(bannedCalls('src/base/x.ts', 'const t = Date.now();').length, 0);
});

test('no test is skipped or runs alone', () => {
  const tests = globSync(['src/**/*.test.ts', 'test/**/*.test.ts']);
  const marks = /\b(test|it|describe|suite)\.(skip|only|todo)\b|\{\s*(skip|only|todo):/;
  // This file names the marks in order to find them.
  const marked = tests.filter((file) => file !== 'test/tidy.test.ts');
  assert.deepEqual(
    marked.filter((file) => marks.test(readFileSync(file, 'utf8'))),
    [],
  );
});

test('ARCHITECTURE.md has every folder, with what it never does, and no other', () => {
  const rows = readFileSync('ARCHITECTURE.md', 'utf8').matchAll(
    /^\| ([a-z]+) \| .+ \| never .+ \|$/gm,
  );
  const described = new Set([...rows].map((row) => row[1]));
  assert.deepEqual(described, new Set(Object.keys(layers)));
  assert.deepEqual(described, new Set(globSync('src/*/').map((folder) => folder.split('/')[1])));
});

test('the documents name files that exist', () => {
  const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'STYLE.md'];
  const named = documents.flatMap((document) => {
    const text = readFileSync(document, 'utf8');
    const paths = text.matchAll(
      /`((?:src|test|docs|scripts|samples)\/[\w./-]+)`|\]\(([\w./-]+)\)/g,
    );
    return [...paths].map((match) => match[1] ?? match[2] ?? '');
  });
  assert.ok(named.length > 10, 'too few paths found: this check would pass without looking');
  assert.deepEqual(
    named.filter((path) => !existsSync(path)),
    [],
  );
});
