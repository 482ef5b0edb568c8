import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Client } from '#client/client.ts';
import { connect } from './cluster.ts';
import { untilInterrupted } from './platform.ts';
import type { Invocation } from './invocation.ts';
import { remark } from './terminal.ts';

export interface LogFlags {
  readonly namespace: string;
  readonly follow?: boolean;
  readonly tail?: number;
}

export async function logs(invocation: Invocation, name: string, flags: LogFlags): Promise<void> {
  await using cluster = connect(invocation);
  const { client } = cluster;
  const selection = {
    namespace: flags.namespace,
    labelSelector: `serving.knative.dev/service=${name}`,
  };
  const { items, resourceVersion } = await client.list(Pod, selection);
  if (!flags.follow) {
    if (items.length === 0) await writeLastWords(client, name, flags);
    for (const pod of items)
      await writeLog(client, pod, { flags, signal: new AbortController().signal });
    return;
  }
  const stop = new AbortController();
  void untilInterrupted().then(() => stop.abort());
  const { signal } = stop;
  const seen = new Set<string>();
  const work: Promise<void>[] = [];
  const add = (pod: Pod): void => {
    const { uid = '' } = pod.metadata;
    const hasStarted = pod.status?.containerStatuses?.some(({ state }) => !state?.waiting);
    if (!hasStarted || seen.has(uid)) return;
    seen.add(uid);
    work.push(writeLog(client, pod, { flags, signal }));
  };
  for (const pod of items) add(pod);
  for await (const event of client.watch(Pod, { ...selection, resourceVersion }, signal)) {
    if (event.type !== 'BOOKMARK' && event.type !== 'DELETED') add(event.object);
  }
  await Promise.all(work);
}

/** What is kept of the newest revision that has something: its pods are gone. */
async function writeLastWords(client: Client, name: string, flags: LogFlags): Promise<void> {
  const { namespace } = flags;
  const labelSelector = `serving.knative.dev/service=${name}`;
  const { items } = await client.list(ReplicaSet, { namespace, labelSelector });
  const newestFirst = items.toSorted((a, b) => createdMs(b) - createdMs(a));
  const { signal } = new AbortController();
  for (const { metadata } of newestFirst) {
    const ref = { namespace, name: metadata.name ?? '' };
    const kept: Uint8Array[] = [];
    const log = client.log(ReplicaSet, ref, { ...tailOf(flags), signal });
    for await (const chunk of log) kept.push(chunk);
    if (kept.length === 0) continue;
    remark(`Service ${name} has no pod now; these are the last words of those it had.`);
    process.stdout.write(Buffer.concat(kept));
    return;
  }
  remark(`Service ${name} has no pod now; --follow waits for one.`);
}

function createdMs({ metadata }: ReplicaSet): number {
  return Date.parse(metadata.creationTimestamp ?? '');
}

function tailOf({ tail }: LogFlags): { readonly tailLines?: number } {
  return tail === undefined ? {} : { tailLines: tail };
}

async function writeLog(
  client: Client,
  pod: Pod,
  { flags, signal }: { readonly flags: LogFlags; readonly signal: AbortSignal },
): Promise<void> {
  const { namespace = '', name = '' } = pod.metadata;
  const options = { ...(flags.follow && { follow: true }), ...tailOf(flags), signal };
  const writing = (pod.spec?.containers ?? []).map((container) => async () => {
    const log = client.log(Pod, { namespace, name }, { ...options, container: container.name });
    for await (const chunk of log) process.stdout.write(chunk);
  });
  if (flags.follow) await Promise.all(writing.map((write) => write()));
  else for (const write of writing) await write();
}
