import { bodyText } from '#base/http-message.ts';
import type { ColdStart, StageHistogram } from '#base/cold-start.ts';
import type { PreparedCounts } from '#base/prepared-counts.ts';
import { Node } from '#api/core-v1/node.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { readKubeconfig } from './kubeconfig.ts';
import type { Invocation } from './invocation.ts';

const ANSWER_MS = 10_000;

/** What the node tells beside its object. */
interface NodeAnswers {
  readonly prepared: PreparedCounts;
  /** The newest of them, in the order of their ends. */
  readonly coldstarts: readonly ColdStart[];
  /** Of all of them, by revision and stage. */
  readonly coldstartstages: readonly StageHistogram[];
}

/** Of the platform's one node; undefined while its agent starts. */
export async function askNode<What extends keyof NodeAnswers>(
  { home }: Pick<Invocation, 'home'>,
  what: What,
): Promise<NodeAnswers[What] | undefined> {
  await using transport = httpsTransport(parseKubeconfig(readKubeconfig(home)));
  const [node] = (await createClient(transport.send).list(Node)).items;
  if (!node) return undefined;
  const reply = await transport.send({
    method: 'GET',
    target: `/api/v1/nodes/${node.metadata.name}/${what}`,
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const text = await bodyText(reply.body);
  // Written by a process of the same program.
  return reply.status === 200 ? (JSON.parse(text) as NodeAnswers[What]) : undefined;
}
