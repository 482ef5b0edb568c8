/** A field of a Go struct; an embedded one has no name. */
export interface GoField {
  readonly name: string | undefined;
  /** As it is written: `*int32`, `[]v1.Volume`. */
  readonly type: string;
  readonly json: string | undefined;
  readonly protobuf: string | undefined;
}

interface GoType {
  /** Of a struct. */
  readonly fields?: readonly GoField[];
  /** What any other type is made of: `string`, `[]string`. */
  readonly type: string;
  /** Whether Kubernetes tells an empty value of it from an absent one. */
  readonly isNullable: boolean;
  /** Packages by the names that its file gives them; the empty one is its own. */
  readonly imports: ReadonlyMap<string, string>;
}

export type GoTypes = ReadonlyMap<string, GoType>;

/** The types that a package's files declare, as far as gofmt's one way of writing them shows it. */
export function parseGoTypes(name: string, files: readonly string[]): GoTypes {
  return new Map(files.flatMap((text) => typesIn(text, importsIn(name, text))));
}

function importsIn(name: string, text: string): ReadonlyMap<string, string> {
  const imports = new Map([['', name]]);
  for (const { groups } of text.matchAll(/^(?:import|\t)\s*(?<alias>\w+)?\s*"(?<path>[^"]+)"$/gm)) {
    const { alias, path = '' } = groups ?? {};
    imports.set(alias ?? path.slice(path.lastIndexOf('/') + 1), path);
  }
  return imports;
}

function typesIn(text: string, imports: ReadonlyMap<string, string>): [string, GoType][] {
  const declarations = text.matchAll(
    /(?<comment>(?:^\/\/.*\n)*)^type (?<name>\w+) (?:= )?(?:struct ?\{(?:\n(?<body>(?:.*\n)*?))?\}$|(?<type>[^\s{]+)$)/gm,
  );
  return [...declarations].map(({ groups }) => {
    const { comment = '', name = '', body = '', type = '' } = groups ?? {};
    const isNullable = comment.includes('+protobuf.nullable=true');
    const fields = type === '' ? { fields: fieldsIn(body) } : {};
    return [name, { ...fields, type, isNullable, imports }];
  });
}

function fieldsIn(body: string): GoField[] {
  const fields = body.matchAll(/^\t(?:(?<name>\w+)\s+)?(?<type>[^\s`/]+)\s+`(?<tags>[^`]*)`/gm);
  return [...fields].map(({ groups }) => {
    const { name, type = '', tags = '' } = groups ?? {};
    return { name, type, json: tagOf(tags, 'json'), protobuf: tagOf(tags, 'protobuf') };
  });
}

function tagOf(tags: string, name: string): string | undefined {
  return new RegExp(String.raw`(?:^|\s)${name}:"([^"]*)"`).exec(tags)?.[1];
}
