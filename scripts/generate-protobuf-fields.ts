/**
 * Writes src/api/generated/protobuf-fields.json: the fields of Kubernetes' own messages by their numbers, from the struct
 * tags of its Go types. The .proto files beside them have the same numbers, but not what JSON leaves out. Needs Go, which
 * fetches the sources where they are not in its module cache.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseGoTypes, type GoField, type GoTypes } from './go-types.ts';

/** Of k8s.io/api, by their folders; those that core-v1.json and its siblings are generated for. */
const PACKAGES = [
  'core/v1',
  'apps/v1',
  'batch/v1',
  'autoscaling/v1',
  'autoscaling/v2',
  'rbac/v1',
  'discovery/v1',
  'coordination/v1',
  'events/v1',
  'admissionregistration/v1',
  'authentication/v1',
  'authorization/v1',
  'policy/v1',
  'scheduling/v1',
  'networking/v1',
  'storage/v1',
].map((folder) => `k8s.io/api/${folder}`);
const EXTENSIONS = 'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1';
const META = 'k8s.io/apimachinery/pkg/apis/meta/v1';

/** Types that write themselves, in JSON and in Protocol Buffers; the reader knows each by this name. */
const SPECIAL: Readonly<Record<string, string>> = {
  [`${META}.Time`]: 'time',
  [`${META}.MicroTime`]: 'microTime',
  [`${META}.Duration`]: 'duration',
  'k8s.io/apimachinery/pkg/api/resource.Quantity': 'quantity',
  'k8s.io/apimachinery/pkg/util/intstr.IntOrString': 'intOrString',
};
const PLAIN: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'bool',
  int32: 'int',
  int64: 'int',
  int: 'int',
  float64: 'double',
  byte: 'byte',
};

type Fields = Record<number, readonly [name: string, type: string]>;

const target = path.resolve(process.argv[2] ?? 'src/api/generated/protobuf-fields.json');
const { version, folderOf } = sources();
const packages = new Map<string, GoTypes>();
const messages = new Map<string, Fields>();
const groupVersions: Record<string, string> = {};
for (const name of [...PACKAGES, EXTENSIONS]) {
  groupVersions[groupVersionOf(name)] = dotted(name);
  for (const [type, { fields }] of typesOf(name)) {
    const isObject = fields?.some((field) => field.type === 'metav1.TypeMeta');
    const isList = fields?.some((field) => field.name === 'Items');
    if (isObject && !isList) addMessage(name, type);
  }
}
addMessage(META, 'DeleteOptions');
writeFileSync(target, rendered());

function sources(): { version: string; folderOf: (name: string) => string } {
  const core = JSON.parse(readFileSync('src/api/generated/core-v1.json', 'utf8')) as {
    generated: string;
  };
  const kubernetes = /from Kubernetes (?<version>v\S+);/.exec(core.generated)?.groups?.['version'];
  if (!kubernetes) throw new Error('Cannot generate: core-v1.json names no Kubernetes version');
  const modules = ['k8s.io/api', 'k8s.io/apimachinery', 'k8s.io/apiextensions-apiserver'];
  // Kubernetes v1.x.y publishes its libraries as v0.x.y.
  const wanted = modules.map((module) => `${module}@${kubernetes.replace(/^v1/, 'v0')}`);
  const answer = execFileSync('go', ['mod', 'download', '-json', ...wanted], { encoding: 'utf8' });
  const folders = JSON.parse(`[${answer.replaceAll('}\n{', '},{')}]`) as {
    Path: string;
    Dir: string;
  }[];
  return {
    version: kubernetes,
    folderOf(name) {
      const module = folders.find((folder) => name.startsWith(`${folder.Path}/`));
      if (!module) throw new Error(`Cannot generate: no module has the package ${name}`);
      return path.join(module.Dir, name.slice(module.Path.length + 1));
    },
  };
}

function typesOf(name: string): GoTypes {
  let types = packages.get(name);
  if (!types) {
    const folder = folderOf(name);
    const files = readdirSync(folder).filter(
      (file) => file.endsWith('.go') && !/_test\.go$|generated/.test(file),
    );
    const texts = files.map((file) => readFileSync(path.join(folder, file), 'utf8'));
    types = parseGoTypes(name, texts);
    packages.set(name, types);
  }
  return types;
}

function groupVersionOf(name: string): string {
  const folder = folderOf(name);
  const register = path.join(folder, 'register.go');
  const text = existsSync(register) ? readFileSync(register, 'utf8') : '';
  const group = /GroupName\s*=\s*"(?<group>[^"]*)"/.exec(text)?.groups?.['group'];
  if (group === undefined) throw new Error(`Cannot generate: ${name} has no GroupName`);
  const within = path.basename(folder);
  return group === '' ? within : `${group}/${within}`;
}

/** As OpenAPI names definitions: `io.k8s.api.core.v1`. */
function dotted(name: string): string {
  return name.replace('k8s.io/', 'io.k8s.').replaceAll('/', '.');
}

function addMessage(name: string, type: string): string {
  const full = `${dotted(name)}.${type}`;
  if (messages.has(full)) return full;
  const found: Fields = {};
  messages.set(full, found);
  const declared = typesOf(name).get(type);
  if (!declared) throw new Error(`Cannot generate: ${name} has no type ${type}`);
  if (!declared.fields) {
    // A list with a name of its own that Kubernetes keeps apart from an absent one.
    found[1] = ['', protobufType(declared.type, declared.imports)];
  }
  for (const field of declared.fields ?? []) {
    const number = /^\w+,(?<number>\d+)/.exec(field.protobuf ?? '')?.groups?.['number'];
    if (number !== undefined) found[Number(number)] = fieldOf(field, declared.imports);
  }
  return full;
}

function fieldOf(
  field: GoField,
  imports: ReadonlyMap<string, string>,
): readonly [name: string, type: string] {
  const [name = '', ...options] = field.json?.split(',') ?? [];
  const isPointer = field.type.startsWith('*');
  const type = protobufType(field.type.replace('*', ''), imports);
  // A field without a name stands for the value itself: what is embedded, raw JSON, or one of several kinds of value.
  if (name === '-' && type === 'bytes') return ['', 'json'];
  if (name === '' || name === '-') return ['', type];
  const isKept = isPointer || !options.includes('omitempty');
  const isZeroOmitted = /^(string|bool|int|double|bytes)$/.test(type);
  return [name, isKept && isZeroOmitted ? `*${type}` : type];
}

function protobufType(type: string, imports: ReadonlyMap<string, string>): string {
  const plain = PLAIN[type];
  if (plain) return plain;
  if (type.startsWith('[]')) {
    const items = protobufType(type.slice(2), imports);
    return items === 'byte' ? 'bytes' : `[]${items}`;
  }
  const values = /^map\[\w+(?:\.\w+)?\](?<values>.+)$/.exec(type)?.groups?.['values'];
  if (values) return `{}${protobufType(values, imports)}`;
  const [within, local] = type.includes('.') ? type.split('.') : ['', type];
  const name = imports.get(within ?? '');
  if (!name || !local) throw new Error(`Cannot generate: the type ${type} is of no known package`);
  const special = SPECIAL[`${name}.${local}`];
  if (special) return special;
  if (name === 'k8s.io/apimachinery/pkg/types') return 'string';
  const declared = typesOf(name).get(local);
  if (!declared) throw new Error(`Cannot generate: ${name} has no type ${local}`);
  if (declared.fields || declared.isNullable) return addMessage(name, local);
  return protobufType(declared.type, declared.imports);
}

/** A message a line: the whole stays small and its changes readable. */
function rendered(): string {
  const lines = [...messages]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, fields]) => `  ${JSON.stringify(name)}: ${JSON.stringify(fields)}`);
  const stamp = `Generated by scripts/generate-protobuf-fields.ts from Kubernetes ${version}; do not edit.`;
  return `{
 "generated": ${JSON.stringify(stamp)},
 "groupVersions": ${JSON.stringify(groupVersions)},
 "messages": {
${lines.join(',\n')}
 }
}
`;
}
