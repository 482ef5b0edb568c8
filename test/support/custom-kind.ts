import assert from 'node:assert/strict';
import { uniqueName, type ClusterUnderTest } from './cluster-under-test.ts';
import { at } from './wire.ts';

const SERVED_WITHIN_MS = 10_000;

export const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
interface Defined {
  readonly group: string;
  /** Of the collection in a namespace of its own. */
  readonly target: string;
  readonly definition: string;
}

/** A namespaced kind Thing whose `spec` has this schema, established. */
export async function define(
  cluster: ClusterUnderTest,
  spec: object,
  version: object = {},
): Promise<Defined> {
  const group = `${uniqueName('g')}.example.com`;
  const reply = await cluster.send('POST', DEFINITIONS, definitionOf(group, spec, version));
  assert.equal(reply.status, 201, JSON.stringify(reply.body));
  await established(cluster, `things.${group}`);
  const namespace = await cluster.namespace();
  const target = `/apis/${group}/v1/namespaces/${namespace}/things`;
  await served(cluster, target);
  return { group, target, definition: `${DEFINITIONS}/things.${group}` };
}

export function definitionOf(group: string, spec: object, version: object = {}): object {
  return {
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec,
                status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
            },
          },
          ...version,
        },
      ],
    },
  };
}

export async function established(cluster: ClusterUnderTest, name: string): Promise<void> {
  const query = `?watch=1&fieldSelector=metadata.name%3D${name}`;
  for await (const { object } of cluster.watch(`${DEFINITIONS}${query}`)) {
    const conditions = (at(object, 'status.conditions') ?? []) as Record<string, string>[];
    if (conditions.some(({ type, status }) => type === 'Established' && status === 'True')) break;
  }
}

/** A real server answers for a kind a moment after it said that it is established, and tells nobody when. */
export async function served({ send }: ClusterUnderTest, target: string): Promise<void> {
  const deadline = AbortSignal.timeout(SERVED_WITHIN_MS);
  while ((await send('GET', target)).status !== 200) deadline.throwIfAborted();
}
