import { Pod } from '#api/core-v1/pod.ts';
import type { PodSpec } from '#api/generated/core-v1.ts';
import { PriorityClass } from '#api/scheduling-v1/priority-class.ts';
import { forbidden } from '#api/meta/api-error.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { keyOf, objectOf, prefixOf } from '#apiserver/stored-object.ts';
import type { Store } from '#store/store.ts';

const PREEMPTS = 'PreemptLowerPriority';

/** How much a pod matters, as its PriorityClass says, or the one that is the default. Kubernetes' Priority admission. */
export function podPriority(store: Store): AdmissionStep {
  return {
    handles: (kind) => kind === Pod || kind === PriorityClass,
    async admit(object, { kind, operation, previous, subresource }) {
      if (subresource !== undefined) return undefined;
      const refuse = (why: string): never => {
        throw forbidden(kind, object.metadata.name ?? '', why);
      };
      if (kind === PriorityClass) {
        await refuseSecondDefault(store, object as PriorityClass, refuse);
        return undefined;
      }
      // `handles` let only these two kinds come here.
      const { spec } = object as Pod;
      if (!spec) return undefined;
      if (operation === 'CREATE') await prioritize(store, spec, refuse);
      else keepPriority(spec, (previous as Pod | undefined)?.spec);
      return undefined;
    },
  };
}

async function prioritize(
  store: Store,
  spec: PodSpec,
  refuse: (why: string) => never,
): Promise<void> {
  const named = spec.priorityClassName;
  const found = named ? await classNamed(store, named) : await defaultClass(store);
  if (named && !found) refuse(`no PriorityClass with name ${named} was found`);
  const { value: priority = 0, preemptionPolicy = PREEMPTS } = found ?? {};
  if ((spec.priority ?? priority) !== priority) {
    refuse(
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
    );
  }
  if ((spec.preemptionPolicy ?? preemptionPolicy) !== preemptionPolicy) {
    refuse(
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
    );
  }
  if (found?.metadata.name) spec.priorityClassName = found.metadata.name;
  spec.priority = priority;
  spec.preemptionPolicy = preemptionPolicy;
}

/** A client that replaces a pod need not repeat what it was given. */
function keepPriority(spec: PodSpec, before: PodSpec | undefined): void {
  if (before?.priority !== undefined) spec.priority ??= before.priority;
  if (before?.preemptionPolicy !== undefined) spec.preemptionPolicy ??= before.preemptionPolicy;
}

async function classNamed(store: Store, name: string): Promise<PriorityClass | undefined> {
  const entry = await store.get(keyOf(PriorityClass, undefined, name));
  return entry && objectOf<PriorityClass>(entry);
}

/** Of several, which only an accident makes, the least. */
async function defaultClass(store: Store): Promise<PriorityClass | undefined> {
  const { entries } = await store.list(prefixOf(PriorityClass, undefined));
  const defaults = entries
    .map((entry) => objectOf<PriorityClass>(entry))
    .filter(({ globalDefault }) => globalDefault);
  return defaults.toSorted((one, other) => one.value - other.value)[0];
}

async function refuseSecondDefault(
  store: Store,
  object: PriorityClass,
  refuse: (why: string) => never,
): Promise<void> {
  if (!object.globalDefault) return;
  const { name } = (await defaultClass(store))?.metadata ?? {};
  if (name === undefined || name === object.metadata.name) return;
  refuse(`PriorityClass ${name} is already marked as default. Only one default can exist`);
}
