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
    if (items.length === 0) remark(`Service ${name} has no pod now; --follow waits for one.`);
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

async function writeLog(
  client: Client,
  pod: Pod,
  { flags, signal }: { readonly flags: LogFlags; readonly signal: AbortSignal },
): Promise<void> {
  const { namespace = '', name = '' } = pod.metadata;
  const options = {
    ...(flags.follow && { follow: true }),
    ...(flags.tail !== undefined && { tailLines: flags.tail }),
  };
  for await (const chunk of client.podLog({ namespace, name }, options, signal)) {
    process.stdout.write(chunk);
  }
}
