import type { HttpReply } from '#base/http-message.ts';
import type { DialPort, RemoteProgram } from '#base/standard-streams.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { ApiError, notFound } from '#api/meta/api-error.ts';
import { isTrue } from '#api/meta/query-flag.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { attachTo } from '#agent/access/attach.ts';
import { dialInside } from '#agent/access/dial-inside.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { allContainers, containerName } from '#agent/pods/container-name.ts';
import type { ContainerRecord } from '#agent/pods/pod-record.ts';
import { keptLogs } from '#agent/logs/kept-logs.ts';
import { keptLogReply, podLogReply, type PodLogRequest } from '#agent/logs/pod-log.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';

interface AccessRequest {
  readonly namespace: string;
  readonly name: string;
  /** Of the request: `container`, `command`, `stdin`, `tty` and so on. */
  readonly query: URLSearchParams;
}

/** What somebody may do in a pod besides talking to its Service. All reject with ApiError before anything happens. */
export interface PodAccess {
  log(request: PodLogRequest): Promise<HttpReply>;
  /** What is kept of the logs of a ReplicaSet's pods that are gone, one after the other. */
  keptLog(request: PodLogRequest): Promise<HttpReply>;
  /** A command beside the container's own program. */
  exec(request: AccessRequest): Promise<RemoteProgram>;
  /** The container's own program: its output from now on, and its input where its spec has one. */
  attach(request: AccessRequest): Promise<RemoteProgram>;
  /** A connection to a port as the pod's own programs would make it, also where they listen on localhost only. */
  forward(request: AccessRequest): Promise<DialPort>;
}

interface Sources {
  readonly parts: Pick<AgentParts, 'runtime' | 'clock' | 'logsFolder'>;
  /** Also a pod that no node has got yet. */
  readonly podOf: (request: AccessRequest) => Promise<Pod | undefined>;
  readonly replicaSetOf: (request: AccessRequest) => ReplicaSet | undefined;
  readonly sandboxOf: (pod: Pod) => PodSandbox | undefined;
}

export function podAccess({ parts, podOf, replicaSetOf, sandboxOf }: Sources): PodAccess {
  const running = async (
    request: AccessRequest,
    deed: string,
  ): Promise<{ pod: Pod; sandbox: PodSandbox }> => {
    const pod = await podOf(request);
    if (!pod) throw notFound(Pod, request.name);
    const phase = pod.status?.phase ?? 'Pending';
    if (phase === 'Succeeded' || phase === 'Failed')
      throw new ApiError('BadRequest', `cannot ${deed} a completed pod; current phase is ${phase}`);
    const sandbox = sandboxOf(pod);
    if (!sandbox)
      throw new ApiError('BadRequest', `pod ${request.name} does not have a host assigned`);
    return { pod, sandbox };
  };
  return {
    async log(request) {
      const pod = await podOf(request);
      return podLogReply(request, { pod, sandbox: pod && sandboxOf(pod), clock: parts.clock });
    },
    async keptLog(request) {
      const { uid } = replicaSetOf(request)?.metadata ?? {};
      if (uid === undefined) throw notFound(ReplicaSet, request.name);
      const files = await keptLogs(parts.logsFolder, uid);
      return keptLogReply(request, files, parts.clock);
    },
    async exec(request) {
      const { pod, sandbox } = await running(request, 'exec into a container in');
      const { id } = runningContainer({ pod, sandbox }, request.query).record;
      const args = request.query.getAll('command');
      if (args.length === 0)
        throw new ApiError('BadRequest', 'you must specify at least one command for the container');
      const isTerminal = isTrue(request.query, 'tty');
      return (streams, signal) => parts.runtime.run(id, { args, isTerminal }, streams, signal);
    },
    async attach(request) {
      const { pod, sandbox } = await running(request, 'attach to a container in');
      const container = runningContainer({ pod, sandbox }, request.query);
      return attachTo({ ...container, sandbox, runtime: parts.runtime });
    },
    async forward(request) {
      const { sandbox } = await running(request, 'forward ports of');
      const namespace = sandbox.networkNamespace;
      return (port, signal) => dialInside(namespace, port, signal);
    },
  };
}

interface RunningContainer {
  readonly spec: Container;
  readonly record: ContainerRecord;
}

/** The container that is meant. */
function runningContainer(
  { pod, sandbox }: { pod: Pod; sandbox: PodSandbox },
  query: URLSearchParams,
): RunningContainer {
  const name = containerName(pod, query.get('container') ?? '');
  const record = sandbox.container(name);
  const spec = allContainers(pod).find((each) => each.name === name);
  const isRunning = record && !record.terminated && sandbox.stateOf(record.id) === 'running';
  if (spec && isRunning) return { spec, record };
  throw new ApiError('NotFound', `unable to upgrade connection: container not found ("${name}")`);
}
