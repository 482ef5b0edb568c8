import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random.ts';
import { isSampledAt, parseTraceParent, traceParentText } from './trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

test('traceparent: read and written as the specification has it', () => {
  const text = `00-${traceId}-${spanId}-01`;
  const parsed = parseTraceParent(text);
  assert.deepEqual(parsed, { traceId, spanId, isSampled: true });
  assert.ok(parsed);
  assert.equal(traceParentText(parsed), text);
  assert.equal(parseTraceParent(`00-${traceId}-${spanId}-02`)?.isSampled, false);
  assert.equal(parseTraceParent(`cc-${traceId}-${spanId}-01-later`)?.traceId, traceId);
});

test('traceparent: what is none begins a new trace', () => {
  for (const text of [
    undefined,
    '',
    'x',
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}-01\u0000`,
  ]) {
    assert.equal(parseTraceParent(text), undefined, String(text));
  }
});

test('sampling: of many traces the share that was asked for, each time the same ones', () => {
  const random = seededRandom(7);
  const ids = Array.from({ length: 10_000 }, () => random.hex(32));
  const sampled = ids.filter((id) => isSampledAt(0.25, id));
  assert.ok(Math.abs(sampled.length - 2_500) < 150, `${sampled.length} of 10000`);
  assert.ok(sampled.every((id) => isSampledAt(0.5, id)));
});
