import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, renameSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { endOfLog, readLog } from '#agent/logs/container-log.ts';
import { keepRotated, rotateIfLarge } from '#agent/logs/log-rotation.ts';

const LINE_BYTES = 1000;
/** A file is rotated once it is larger than 10 MiB. */
const LINES_OF_FILE = 11_000;

/** Writes a log as conmon does: to the file it has open, until it is told to open it anew. */
class Writer implements AsyncDisposable {
  readonly file: string;
  #fd: number;
  #lines = 0;

  constructor(folder: string) {
    this.file = path.join(folder, 'log');
    this.#fd = openSync(this.file, 'a');
  }

  get lines(): number {
    return this.#lines;
  }

  write(lines: number): void {
    const texts = Array.from({ length: lines }, () => {
      const text = String((this.#lines += 1)).padEnd(LINE_BYTES, '.');
      return `2026-01-01T00:00:00.000000000+00:00 stdout F ${text}\n`;
    });
    writeSync(this.#fd, texts.join(''));
  }

  /** As conmon does at its own bound: what was in the file is lost to everybody who has not got it open. */
  beginAnew(): void {
    closeSync(this.#fd);
    this.#fd = openSync(`${this.file}.tmp`, 'w');
    renameSync(`${this.file}.tmp`, this.file);
  }

  reopen = async (): Promise<void> => {
    closeSync(this.#fd);
    this.#fd = openSync(this.file, 'a');
  };

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#fd);
    await rm(path.dirname(this.file), { recursive: true });
  }
}

async function writer(): Promise<Writer> {
  return new Writer(await mkdtemp(path.join(tmpdir(), 'knode-log-')));
}

/** The numbers of the lines, each asserted to follow the one before. */
async function countFrom(first: number, log: Parameters<typeof readLog>): Promise<number> {
  let next = first;
  for await (const lines of readLog(...log)) {
    for (const { text } of lines) {
      assert.equal(Number(text.slice(0, 10).replaceAll('.', '')), next);
      next += 1;
    }
  }
  return next - first;
}

/** Each round ends with the first line of a new file. */
async function fill(log: Writer, rounds: number): Promise<number> {
  for (let round = 0; round < rounds; round += 1) {
    log.write(LINES_OF_FILE);
    // What is written between the rename and the reopening goes to the old file.
    const reopen = async (): Promise<void> => {
      log.write(1);
      await log.reopen();
    };
    await rotateIfLarge({ file: log.file, reopen });
    log.write(1);
  }
  return rounds * (LINES_OF_FILE + 2);
}

test('log rotation: who follows gets every line once, through all files', async () => {
  await using log = await writer();
  const end = new AbortController();
  let written = 0;
  let read = 0;
  log.write(1);
  written += 1;
  for await (const lines of readLog(log.file, { follow: end.signal })) {
    for (const { text } of lines) {
      read += 1;
      assert.equal(parseInt(text, 10), read);
    }
    if (read < written) continue;
    // As soon as the reader is at the end of what it reads there are two more files, and once more.
    if (written < 6 * LINES_OF_FILE) written += await fill(log, 2);
    else end.abort();
  }
  assert.equal(read, written);
});

test('log rotation: the oldest files go, the rest is whole', async () => {
  await using log = await writer();
  const written = await fill(log, 7);
  const kept = readdirSync(path.dirname(log.file)).toSorted();
  assert.deepEqual(kept, ['log', 'log.4', 'log.5', 'log.6', 'log.7', 'log.current']);
  const first = 3 * (LINES_OF_FILE + 2);
  assert.equal(await countFrom(first, [log.file]), written - first + 1);
});

test('log rotation: a small log stays as it is; one without its file is opened anew', async () => {
  await using log = await writer();
  log.write(10);
  await rotateIfLarge(log);
  assert.deepEqual(readdirSync(path.dirname(log.file)).toSorted(), ['log', 'log.current']);
  await rm(log.file);
  await rotateIfLarge(log);
  assert.ok(readdirSync(path.dirname(log.file)).includes('log'));
});

test('log rotation: what the writer left by itself is kept, and read once', async () => {
  await using log = await writer();
  const end = new AbortController();
  const steps = [
    async () => await rotateIfLarge(log),
    async () => log.beginAnew(),
    async () => {
      log.write(10);
      await rotateIfLarge(log);
    },
    async () => await fill(log, 1),
    async () => await fill(log, 1),
  ];
  let read = 0;
  log.write(10);
  for await (const lines of readLog(log.file, { follow: end.signal })) {
    for (const { text } of lines) {
      read += 1;
      assert.equal(parseInt(text, 10), read);
    }
    // One step at a time, as soon as all before it has been read.
    while (read === log.lines && steps.length > 0) await steps.shift()?.();
    if (read === log.lines) end.abort();
  }
  assert.equal(read, log.lines);
  assert.equal(await countFrom(1, [log.file]), log.lines);
});

test('log rotation: what is written from now on is read from now on', async () => {
  await using log = await writer();
  log.write(10);
  const end = new AbortController();
  const from = await endOfLog(log.file);
  log.write(2);
  const lines = countFrom(11, [log.file, { follow: end.signal, from }]);
  end.abort();
  assert.equal(await lines, 2);
});

test('log rotation: a log that grows is looked at, until the container has ended', async () => {
  await using log = await writer();
  const clock = new FakeClock();
  const end = new AbortController();
  const reopened = Promise.withResolvers<void>();
  const reopen = async (): Promise<void> => {
    await log.reopen();
    reopened.resolve();
  };
  const keeping = keepRotated({ file: log.file, reopen, clock }, end.signal);
  log.write(LINES_OF_FILE);
  const ticking = new AbortController();
  const tick = async (): Promise<void> => {
    while (!ticking.signal.aborted) {
      clock.advance(1_000);
      await new Promise(setImmediate);
    }
  };
  const ticks = tick();
  await reopened.promise;
  ticking.abort();
  await ticks;
  end.abort();
  await keeping;
  assert.deepEqual(readdirSync(path.dirname(log.file)).toSorted(), ['log', 'log.1', 'log.current']);
});
