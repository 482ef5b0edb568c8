import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GoTemplateError, parseGoTemplate } from '#base/go-template.ts';

const data = {
  Name: 'hello',
  Namespace: 'shop',
  Domain: 'example.com',
  Labels: new Map([['team', 'a']]),
  Annotations: new Map<string, string>(),
};

for (const [text, expected] of [
  ['plain', 'plain'],
  ['{{.Name}}.{{.Namespace}}.{{.Domain}}', 'hello.shop.example.com'],
  ['{{ .Name }}-{{ index .Labels "team" }}', 'hello-a'],
  ['{{ index .Annotations "none" }}{{ .Labels.team }}{{ .Labels.none }}', 'a'],
  ['{{if eq .Namespace "shop"}}yes{{else}}no{{end}}', 'yes'],
  ['{{if ne .Namespace "shop"}}a{{else if .Annotations}}b{{else}}c{{end}}', 'c'],
  ['{{if and .Name (not .Annotations)}}x{{end}}', 'x'],
  ['{{if or .Annotations .Labels}}x{{end}}', 'x'],
  ['a {{- .Name -}} b', 'ahellob'],
  ['{{/* nothing }} */}}x', 'x'],
  ['{{ printf "%s-%q" .Name "q" }}', 'hello-"q"'],
  ['{{ .Name | printf "%s!" }}', 'hello!'],
  ['{{ len .Labels }}{{ print `a` "}}" }}', '1a}}'],
  ['{{ $.Name }}', 'hello'],
  [`{{ js "a'b" }}`, String.raw`a\'b`],
  ['{{ js "<a href=\\"x\\">&\\\\\\n" }}', String.raw`\u003Ca href\u003D\"x\"\u003E\u0026\\\u000A`],
  ['{{ .Labels.Get "team" }}{{ .Labels.Get "nobody" }}', 'a'],
] as const) {
  test(`go template: ${text}`, () => {
    assert.equal(parseGoTemplate(text).execute(data), expected);
  });
}

for (const [text, expected] of [
  ['{{.Name', /unclosed action/],
  ['{{end}}', /unexpected \{\{end\}\}/],
  ['{{if .Name}}x', /if without end/],
  ['{{range .Labels}}{{end}}', /function "range" not defined/],
  ['{{ | }}', /missing value/],
  ['{{ (.Name }}', /unclosed left paren/],
  ['{{ .Name ) }}', /unexpected/],
  ['{{ .Name @ }}', /unexpected/],
  ['{{ upper .Name }}', /function "upper" not defined/],
  ['{{ .Nobody }}', /can't evaluate field Nobody/],
  ['{{ .Name.First }}', /can't evaluate field First/],
  ['{{ index .Name "a" }}', /index takes a map and a key/],
  ['{{ .Name .Domain }}', /no function/],
  ['{{ . }}', /cannot print a struct/],
  ['{{if .Name}}'.repeat(40), /nested more than/],
  ['x'.repeat(20_000), /at most 16384/],
] as const) {
  test(`go template: refuses ${text.slice(0, 40)}`, () => {
    assert.throws(
      () => parseGoTemplate(text).execute(data),
      (error: unknown) => error instanceof GoTemplateError && expected.test(error.message),
    );
  });
}
