import { Service } from '#api/serving-v1/service.ts';
import type { Client, Ref } from '#client/client.ts';
import { UserError } from './terminal.ts';

export interface Readiness {
  readonly status: 'True' | 'False' | 'Unknown';
  /** `reason : message`; empty where it is ready. */
  readonly why: string;
}

/** Readiness counts only for the generation it was observed at. */
export function readyOf(service: Service): Readiness {
  const { status, metadata } = service;
  const condition = status?.conditions?.find(({ type }) => type === 'Ready');
  if (!condition || status?.observedGeneration !== metadata.generation) {
    return { status: 'Unknown', why: 'not looked at yet' };
  }
  if (condition.status === 'True') return { status: 'True', why: '' };
  // The Route fails because the Configuration did: the latter knows the cause.
  const root = status?.conditions?.find(
    ({ type, status: state }) => type === 'ConfigurationsReady' && state === 'False',
  );
  const { reason, message } = root ?? condition;
  const why = [reason, message].filter(Boolean).join(' : ');
  return { status: condition.status === 'False' ? 'False' : 'Unknown', why };
}

/** Waits until the Service is ready, and throws with the reason when it fails or `timeoutMs` is over. */
export async function untilReady(
  client: Client,
  ref: Ref,
  options: { readonly timeoutMs: number; readonly update: (detail: string) => void },
): Promise<Service> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  let last = 'it does not exist';
  for await (const service of follow(client, ref, signal)) {
    const { status, why } = readyOf(service);
    if (status === 'True') return service;
    if (status === 'False') throw new UserError(`Service ${ref.name} is not ready: ${why}`);
    last = why || 'not ready yet';
    options.update(last);
  }
  throw new UserError(
    `Service ${ref.name} was not ready within ${options.timeoutMs / 1000} s: ${last}`,
  );
}

/** The Service as it is, and each time it changes, until `signal` is aborted. */
async function* follow(client: Client, ref: Ref, signal: AbortSignal): AsyncGenerator<Service> {
  const selection = {
    ...(ref.namespace !== undefined && { namespace: ref.namespace }),
    fieldSelector: `metadata.name=${ref.name}`,
  };
  const { items, resourceVersion } = await client.list(Service, selection);
  yield* items;
  for await (const event of client.watch(Service, { ...selection, resourceVersion }, signal)) {
    if (event.type === 'ADDED' || event.type === 'MODIFIED') yield event.object;
  }
}
