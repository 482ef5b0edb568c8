import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { oldKubectl } from '#test/support/clients-cache.ts';
import { kubectlProgram } from '#test/support/platform.ts';
import { parseTour, walk, type Age } from '#test/support/tour.ts';
import { sitDown } from './desk.ts';

const TOURS = path.join(import.meta.dirname, 'tours');

/** The newest there is, and Debian's of 2021; scripts/fetch-old-kubectl brings the latter. */
const programs: Readonly<Record<Age, string>> = {
  new: kubectlProgram(),
  old: oldKubectl(),
};

const files = globSync('*.tour', { cwd: TOURS });
assert.ok(files.length > 5, 'too few tours found: this would pass without looking');

for (const file of files) {
  const parts = parseTour(readFileSync(path.join(TOURS, file), 'utf8'));
  for (const age of ['new', 'old'] as const) {
    test(`the ${age} kubectl: ${file}`, async (t) => {
      const kubectl = programs[age];
      await using desk = await sitDown({ programs: { kubectl }, files: path.join(TOURS, 'files') });
      for (const part of parts) {
        await t.test(part.name, async () => {
          await walk(part, age, { cwd: desk.folder, env: desk.env });
        });
      }
    });
  }
}
