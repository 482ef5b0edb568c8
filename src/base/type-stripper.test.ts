import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);

test('a long-lived process starts once more where types were stripped in it, and never where they were not', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-stripper-'));
  try {
    const program = path.join(folder, 'program.ts');
    const module = path.join(import.meta.dirname, 'type-stripper.ts');
    await writeFile(
      program,
      `import { restartWithoutStripper } from ${JSON.stringify(module)};
      console.log('loaded', process.argv[2]);
      restartWithoutStripper(process.env);
      console.log('goes on', process.moduleLoadList.some((name) => name.includes('amaro')));`,
    );
    const env = { ...process.env, NODE_COMPILE_CACHE: path.join(folder, 'cache') };
    const start = async (environment: NodeJS.ProcessEnv): Promise<string> =>
      (await run(process.execPath, [program, 'argument'], { env: environment })).stdout;
    assert.equal(await start(env), 'loaded argument\nloaded argument\ngoes on false\n');
    assert.equal(await start(env), 'loaded argument\ngoes on false\n');
    const { NODE_COMPILE_CACHE: _, ...without } = env;
    assert.equal(await start(without), 'loaded argument\ngoes on true\n');
  } finally {
    await rm(folder, { recursive: true });
  }
});
