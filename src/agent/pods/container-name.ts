import type { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import type { ContainerRole } from '#agent/pods/restart.ts';
import { ApiError } from '#api/meta/api-error.ts';

/** The container that a request is about, the only one where it names none. Throws BadRequest with Kubernetes' sentences. */
export function containerName(pod: Pod, asked: string): string {
  const names = allContainers(pod).map(({ name }) => name);
  const name = pod.metadata.name ?? '';
  const [first, ...others] = (pod.spec?.containers ?? []).map((each) => each.name);
  if (asked === '') {
    if (first !== undefined && others.length === 0) return first;
    throw new ApiError(
      'BadRequest',
      `a container name must be specified for pod ${name}, choose one of: [${names.join(' ')}]`,
    );
  }
  if (names.includes(asked)) return asked;
  throw new ApiError('BadRequest', `container ${asked} is not valid for pod ${name}`);
}

const LISTS: Readonly<Record<ContainerRole, string>> = {
  init: 'initContainers',
  sidecar: 'initContainers',
  main: 'containers',
  ephemeral: 'ephemeralContainers',
};

/** Where in its pod's object a container is, as Events have it: `spec.containers{main}`. */
export function fieldPathOf(role: ContainerRole, { name }: Container): string {
  return `spec.${LISTS[role]}{${name}}`;
}

/** Those that have run before, run, and were put in later. */
export function allContainers({ spec }: Pod): readonly Container[] {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = spec ?? {};
  return [...initContainers, ...containers, ...ephemeralContainers];
}
