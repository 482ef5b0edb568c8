import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '#base/log.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { conflict, forbidden, type ApiError } from '#api/meta/api-error.ts';
import { attempted } from '#reconcile/attempt.ts';

test('a failed reconcile is told of but for a lost race, however often it is lost', async () => {
  const told = async (error: ApiError): Promise<string[]> => {
    const messages: string[] = [];
    const result = await attempted(() => Promise.reject(error), {
      log: silentLog,
      signal: new AbortController().signal,
      attempt: 10,
      onFailure: async ({ message }) => void messages.push(message),
    });
    assert.equal(result.hasFailed, true);
    return messages;
  };
  assert.deepEqual(await told(conflict(Pod, 'a', 'it has changed')), []);
  assert.equal((await told(forbidden(Pod, 'a', 'you may not'))).length, 1);
});
