import { Service } from '#api/serving-v1/service.ts';
import { connect } from './cluster.ts';
import type { Invocation } from './invocation.ts';
import { readyOf } from './service-ready.ts';
import { print, printJson, printTable } from './terminal.ts';

export interface ListFlags {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly output?: 'json';
}

export async function list(invocation: Invocation, flags: ListFlags): Promise<void> {
  await using cluster = connect(invocation);
  const selection = flags.allNamespaces ? {} : { namespace: flags.namespace };
  const { items } = await cluster.client.list(Service, selection);
  if (flags.output === 'json') {
    printJson({ apiVersion: 'v1', kind: 'List', items });
    return;
  }
  if (items.length === 0) {
    print('No services found.');
    return;
  }
  const rows = items.map((service) => {
    const ready = readyOf(service);
    const cells = [
      service.metadata.name ?? '',
      service.status?.url ?? '',
      service.status?.latestReadyRevisionName ?? '',
      ready.status,
      ready.why,
    ];
    return flags.allNamespaces ? [service.metadata.namespace ?? '', ...cells] : cells;
  });
  const head = ['NAME', 'URL', 'LATEST', 'READY', 'REASON'];
  printTable(flags.allNamespaces ? ['NAMESPACE', ...head] : head, rows);
}
