import { Service } from '#api/serving-v1/service.ts';
import { connect } from './cluster.ts';
import type { Invocation } from './invocation.ts';
import { print, UserError } from './terminal.ts';

export async function deleteService(
  invocation: Invocation,
  name: string,
  { namespace }: { readonly namespace: string },
): Promise<void> {
  await using cluster = connect(invocation);
  const ref = { namespace, name };
  if (!(await cluster.client.get(Service, ref))) {
    throw new UserError(`Cannot find Service ${name} in namespace ${namespace}`);
  }
  await cluster.client.delete(Service, ref, { propagationPolicy: 'Background' });
  print(`Service '${name}' deleted in namespace '${namespace}'.`);
}
