import assert from 'node:assert/strict';
import { at, textAt, type WireClient } from './wire.ts';

/** Longer than any controller of either cluster takes; where it passes, the test fails with what was seen last. */
const WITHIN_SECONDS = 40;

/** Makes an object in the collection at `target`, which must succeed, and returns what was stored. */
export async function made(client: WireClient, target: string, object: object): Promise<unknown> {
  const { status, body } = await client.send('POST', target, object);
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

/** Merges `patch` into the object or subresource at `target`, which must succeed. */
export async function merged(client: WireClient, target: string, patch: object): Promise<unknown> {
  const headers = { 'content-type': 'application/merge-patch+json' };
  const { status, body } = await client.send('PATCH', target, patch, { headers });
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

/** The object at `target` as soon as `isSo` holds of it; what is absent is undefined. */
export async function until(
  client: WireClient,
  target: string,
  isSo: (object: unknown) => boolean,
): Promise<unknown> {
  const { status, body } = await client.send('GET', target);
  let seen = status === 200 ? body : undefined;
  if (isSo(seen)) return seen;
  const slash = target.lastIndexOf('/');
  const from = `${target.slice(0, slash)}?fieldSelector=metadata.name%3D${target.slice(slash + 1)}`;
  // From what was seen: of one that goes meanwhile, a watch that begins later says nothing.
  const since =
    seen === undefined ? '' : `&resourceVersion=${textAt(seen, 'metadata.resourceVersion')}`;
  for await (const { type, object } of client.watch(
    `${from}&watch=1&timeoutSeconds=${WITHIN_SECONDS}${since}`,
  )) {
    seen = type === 'DELETED' ? undefined : object;
    if (isSo(seen)) return seen;
  }
  return assert.fail(`${target} is not as expected yet: ${JSON.stringify(seen)}`);
}

/** The items of the collection at `target`, which may end in a query, as soon as `isSo` holds of them. */
export async function untilItems(
  client: WireClient,
  target: string,
  isSo: (items: readonly unknown[]) => boolean,
): Promise<readonly unknown[]> {
  const items = new Map<string, unknown>();
  const query = `${target.includes('?') ? '&' : '?'}watch=1&timeoutSeconds=${WITHIN_SECONDS}`;
  if (isSo([])) return [];
  for await (const { type, object } of client.watch(target + query)) {
    const name = textAt(object, 'metadata.name');
    if (type === 'DELETED') items.delete(name);
    else items.set(name, object);
    if (isSo([...items.values()])) return [...items.values()];
  }
  return assert.fail(`${target} is not as expected yet: ${JSON.stringify([...items.values()])}`);
}

/** An object's conditions by type, without the times that they carry. */
export function conditionsOf(object: unknown): Readonly<Record<string, Condition>> {
  const conditions = (at(object, 'status.conditions') ?? []) as readonly Condition[];
  return Object.fromEntries(
    conditions.map(({ type, status, reason, message }) => [
      type,
      { type, status, reason, message },
    ]),
  );
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}
