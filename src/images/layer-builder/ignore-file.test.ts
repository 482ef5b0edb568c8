import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIgnoreFile } from './ignore-file.ts';

test('.dockerignore: what each pattern leaves out', () => {
  for (const [text, ignored, kept] of [
    ['*.log', ['a.log'], ['a.log2', 'sub/a.log']],
    ['**/*.log', ['a.log', 'sub/deep/a.log'], ['log']],
    ['sub', ['sub', 'sub/a', 'sub/b/c'], ['subs', 'a/sub']],
    ['/sub/', ['sub/a'], ['a/sub']],
    ['sub/**', ['sub/a', 'sub/b/c'], ['other']],
    ['a/**/z', ['a/z', 'a/b/c/z'], ['a/b']],
    ['?.txt', ['a.txt'], ['ab.txt', '/.txt']],
    ['[ab].txt', ['a.txt'], ['c.txt']],
    ['a+(b).txt', ['a+(b).txt'], ['aab.txt']],
    ['# note\n\n  a  \r\n', ['a'], ['# note', '']],
    ['*.md\n!README.md', ['a.md'], ['README.md']],
    ['sub\n!sub/keep\nsub/keep/not', ['sub/a', 'sub/keep/not'], ['sub/keep/a']],
    ['**/****/a', ['x/a'], ['b']],
  ] as const) {
    const rules = parseIgnoreFile(text);
    for (const path of ignored) assert.equal(rules.isIgnored(path), true, `${text}: ${path}`);
    for (const path of kept) assert.equal(rules.isIgnored(path), false, `${text}: ${path}`);
  }
});

test('.dockerignore: what cannot be read is refused', () => {
  assert.throws(() => parseIgnoreFile('[z-a]'), /cannot read the pattern \[z-a\]/);
  assert.throws(() => parseIgnoreFile('a\n'.repeat(1001)), /1001 patterns, at most 1000/);
});
