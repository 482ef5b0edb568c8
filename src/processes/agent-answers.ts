import type { ColdStart, StageHistogram } from '#base/cold-start.ts';
import type { Agent } from '#agent/agent.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { ApiOptions } from './api.ts';

const pods = { group: '', plural: 'pods' } as const;

/** What the API server asks the agent, beside `connections`; while it starts there is nothing to tell. */
export function agentAnswers(
  agent: () => Agent | undefined,
  {
    coldStarts,
    coldStartStages,
    connections: others,
  }: {
    readonly coldStarts: () => readonly ColdStart[];
    readonly coldStartStages: () => readonly StageHistogram[];
    readonly connections: NonNullable<ApiOptions['connections']>;
  },
): Pick<ApiOptions, 'connections' | 'streams' | 'generateName' | 'metrics'> {
  const running = (): Agent => {
    const found = agent();
    if (!found) throw new ApiError('ServiceUnavailable', 'the agent is starting');
    return found;
  };
  return {
    generateName: (kind, object) => agent()?.reservedName(kind, object),
    metrics: {
      pods: () => agent()?.metrics.pods() ?? [],
      nodes: () => agent()?.metrics.nodes() ?? [],
    },
    connections: [
      ...others,
      {
        // Ours alone, for `knode status`.
        group: '',
        plural: 'nodes',
        subresource: 'prepared',
        methods: ['GET'],
        handle: async () => jsonReply(running().prepared()),
      },
      {
        // Ours alone, for `knode demo --trace`.
        group: '',
        plural: 'nodes',
        subresource: 'coldstarts',
        methods: ['GET'],
        handle: async () => jsonReply(coldStarts()),
      },
      {
        // Ours alone, for `knode coldstarts`.
        group: '',
        plural: 'nodes',
        subresource: 'coldstartstages',
        methods: ['GET'],
        handle: async () => jsonReply(coldStartStages()),
      },
      {
        ...pods,
        subresource: 'log',
        methods: ['GET'],
        handle: async ({ namespace = '', name, query, signal }) =>
          running().access.log({ namespace, name, query, signal }),
      },
      {
        // Ours alone: Kubernetes forgets a pod with its log.
        group: 'apps',
        plural: 'replicasets',
        subresource: 'log',
        methods: ['GET'],
        handle: async ({ namespace = '', name, query, signal }) =>
          await running().access.keptLog({ namespace, name, query, signal }),
      },
    ],
    streams: streamsOf(running),
  };
}

function streamsOf(running: () => Agent): NonNullable<ApiOptions['streams']> {
  return [
    {
      ...pods,
      subresource: 'exec',
      open: async ({ namespace = '', name, query }) => ({
        kind: 'program',
        run: await running().access.exec({ namespace, name, query }),
        query,
      }),
    },
    {
      ...pods,
      subresource: 'attach',
      open: async ({ namespace = '', name, query }) => ({
        kind: 'program',
        run: await running().access.attach({ namespace, name, query }),
        query,
      }),
    },
    {
      ...pods,
      subresource: 'portforward',
      open: async ({ namespace = '', name, query }) => ({
        kind: 'ports',
        dial: await running().access.forward({ namespace, name, query }),
      }),
    },
  ];
}
