import type { Pod } from '#api/core-v1/pod.ts';
import type { ContainerStatus } from '#api/generated/core-v1.ts';
import { ageOf } from '#apiserver/tables/age.ts';
import {
  ageColumn,
  column,
  nameColumn,
  orNone,
  wideColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';

export const podColumns: CellsOf<Pod> = [
  nameColumn,
  column('Ready', ({ spec, status }) => {
    const ready = (status?.containerStatuses ?? []).filter((container) => container.ready);
    return `${ready.length}/${(spec?.containers ?? []).length}`;
  }),
  column('Status', podStatusText),
  column('Restarts', restartsText),
  ageColumn,
  wideColumn('IP', ({ status }) => orNone(status?.podIP)),
  wideColumn('Node', ({ spec }) => orNone(spec?.nodeName)),
  wideColumn('Nominated Node', ({ status }) => orNone(status?.nominatedNodeName)),
  wideColumn('Readiness Gates', ({ spec, status }) => {
    const gates = spec?.readinessGates ?? [];
    const open = gates.filter(({ conditionType }) =>
      status?.conditions?.some(
        ({ type, status: value }) => type === conditionType && value === 'True',
      ),
    );
    return gates.length === 0 ? '<none>' : `${open.length}/${gates.length}`;
  }),
];

/** One word for where a pod stands: its phase, unless a container knows better. */
function podStatusText({ metadata, spec, status }: Pod): string {
  const { phase = 'Unknown', reason } = status ?? {};
  const isDeleting = metadata.deletionTimestamp !== undefined;
  if (isDeleting) return reason === 'NodeLost' ? 'Unknown' : 'Terminating';
  const initial = status?.initContainerStatuses ?? [];
  const at = initial.findIndex(({ state }) => state?.terminated?.exitCode !== 0);
  const blocking = initial[at];
  if (blocking) {
    const word = troubleOf(blocking);
    const isStarting = word === undefined || word === 'PodInitializing';
    return isStarting ? `Init:${at}/${(spec?.initContainers ?? []).length}` : `Init:${word}`;
  }
  const containers = status?.containerStatuses ?? [];
  const word = containers
    .toReversed()
    .map(troubleOf)
    .find((found) => found !== undefined);
  const isRunning = containers.some(({ ready, state }) => ready && state?.running);
  if (word === 'Completed' && isRunning)
    return isReady(status?.conditions) ? 'Running' : 'NotReady';
  return word ?? (reason || phase);
}

/** Why a container does not run; undefined where it does. */
function troubleOf({ state }: ContainerStatus): string | undefined {
  if (state?.waiting?.reason) return state.waiting.reason;
  const { terminated } = state ?? {};
  if (!terminated) return undefined;
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

function isReady(conditions: readonly { type: string; status: string }[] | undefined): boolean {
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

/** `3 (2m ago)`: how often, and when last. */
function restartsText({ status }: Pod, now: Date): string {
  const containers = status?.containerStatuses ?? [];
  const restarts = containers.reduce((sum, { restartCount }) => sum + restartCount, 0);
  const ends = containers.flatMap(({ lastState }) => lastState?.terminated?.finishedAt ?? []);
  const last = ends.toSorted().at(-1);
  return restarts > 0 && last !== undefined
    ? `${restarts} (${ageOf(last, now)} ago)`
    : String(restarts);
}
