import { readFileSync } from 'node:fs';
import type { PreparedCounts } from '#base/prepared-counts.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/serving-v1/service.ts';
import { askSupervisor } from '#supervisor/ask-supervisor.ts';
import { readLiveRecord } from '#supervisor/process-record.ts';
import { pathsOf, type Settings } from '#supervisor/settings.ts';
import { connect } from './cluster.ts';
import type { Invocation } from './invocation.ts';
import { describeLimit, isShort, machineReport } from './machine-report.ts';
import { readyOf } from './service-ready.ts';
import { askNode } from './ask-node.ts';
import { describePlatform } from './up.ts';
import { print, printJson, printTable, UserError } from './terminal.ts';

export async function status(
  invocation: Invocation,
  { output }: { readonly output?: 'json' },
): Promise<void> {
  const paths = pathsOf(invocation.home);
  const supervisor = await askSupervisor(paths.supervisorSocket, { type: 'status' });
  if (!supervisor) {
    throw new UserError(`knode is not running with the state in ${invocation.home}`);
  }
  const parts = [
    { name: 'supervisor', pid: supervisor.pid, state: 'ready', restarts: 0 },
    ...supervisor.parts,
  ].map((part) => ({ ...part, memoryBytes: memoryOf(part.pid) }));
  const [told, limits] = await Promise.all([
    toldByApi(invocation),
    machineReport(invocation.home, parts),
  ]);
  const { counts, prepared, unavailable } = told;
  if (output === 'json') {
    const machine = limits.map(({ name, available, total }) => ({ name, available, total }));
    printJson({ home: invocation.home, parts, ...counts, prepared, unavailable, machine });
    return;
  }
  printTable(
    ['PROCESS', 'STATE', 'PID', 'MEMORY', 'RESTARTS', 'MESSAGE'],
    parts.map((part) => [
      part.name,
      part.state,
      String(part.pid ?? '-'),
      part.memoryBytes === undefined ? '-' : `${(part.memoryBytes / 1024 / 1024).toFixed(0)} MB`,
      String(part.restarts),
      ('message' in part && part.message) || '',
    ]),
  );
  print();
  const record = readLiveRecord(paths.processRecord('gateway'));
  if (record) describePlatform(JSON.parse(record.settings) as Settings, print);
  if (counts)
    print(`  services    ${counts.servicesReady} of ${counts.services} ready; ${counts.pods} pods`);
  if (unavailable !== undefined) print(`  services    the API does not answer: ${unavailable}`);
  if (prepared) print(`  prepared    ${describePrepared(prepared)}`);
  const [memory, disk] = limits.map((limit) => `${limit.name} ${describeLimit(limit)}`);
  print(`  machine     ${memory}; ${disk}`);
  for (const limit of limits.filter(isShort))
    print(`  short       ${limit.name}: ${describeLimit(limit)}; ${limit.advice}`);
}

interface ToldByApi {
  readonly counts?: Awaited<ReturnType<typeof countsOf>>;
  readonly prepared?: PreparedCounts | undefined;
  readonly unavailable?: string;
}

/** What only the API knows. A platform that is short of something may not answer, and that is when one asks how it does. */
async function toldByApi(invocation: Invocation): Promise<ToldByApi> {
  try {
    const [counts, prepared] = await Promise.all([
      countsOf(invocation),
      askNode(invocation, 'prepared'),
    ]);
    return { counts, prepared };
  } catch (error) {
    return { unavailable: error instanceof Error ? error.message : String(error) };
  }
}

async function countsOf(
  invocation: Invocation,
): Promise<{ services: number; servicesReady: number; pods: number } | undefined> {
  await using cluster = connect(invocation);
  const [services, pods] = await Promise.all([
    cluster.client.list(Service),
    cluster.client.list(Pod),
  ]);
  return {
    services: services.items.length,
    servicesReady: services.items.filter((service) => readyOf(service).status === 'True').length,
    pods: pods.items.length,
  };
}

function describePrepared(counts: PreparedCounts): string {
  const { ready, making, capacity, starting, used, discarded } = counts;
  return `${ready} of ${capacity} sandboxes ready, ${making} being made, ${starting} starting; ${used} used, ${discarded} discarded`;
}

/** Proportional share: what the machine would get back if the process ended (proc(5), smaps_rollup). */
function memoryOf(pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined;
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined; // It ended meanwhile, or is not ours to look into.
  }
}
