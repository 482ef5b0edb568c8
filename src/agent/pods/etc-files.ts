import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Pod } from '#api/core-v1/pod.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { hostnameOf } from '#agent/pods/environment.ts';

interface EtcSources extends Pick<AgentParts, 'ranges' | 'clusterDomain'> {
  readonly address: string;
}

/** Writes the files that every container of the pod sees in /etc: hosts, hostname, resolv.conf. */
export async function writeEtc(pod: Pod, podFolder: string, sources: EtcSources): Promise<void> {
  const folder = path.join(podFolder, 'etc');
  await mkdir(folder, { recursive: true });
  const write = (name: string, text: string): Promise<void> =>
    writeFile(path.join(folder, name), text, { mode: 0o644 });
  await write('hostname', `${hostnameOf(pod)}\n`);
  const machines = pod.spec?.hostNetwork === true && (await readFile('/etc/hosts', 'utf8'));
  await write('hosts', hostsFile(pod, { ...sources, machines }));
  await write('resolv.conf', await resolverFile(pod, sources));
}

interface HostsSources extends EtcSources {
  /** What it shares with the machine, where it shares its network. */
  readonly machines: string | false;
}

function hostsFile(pod: Pod, { address, clusterDomain, machines }: HostsSources): string {
  const { subdomain } = pod.spec ?? {};
  const domain = `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`;
  const names = [...(subdomain ? [`${hostnameOf(pod)}.${domain}`] : []), hostnameOf(pod)];
  const aliases = (pod.spec?.hostAliases ?? []).map(
    ({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`,
  );
  if (machines !== false) return [machines.trimEnd(), ...aliases, ''].join('\n');
  return [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    `${address}\t${names.join('\t')}`,
    ...aliases,
    '',
  ].join('\n');
}

async function resolverFile(pod: Pod, { ranges, clusterDomain }: EtcSources): Promise<string> {
  const { dnsPolicy = 'ClusterFirst', dnsConfig = {} } = pod.spec ?? {};
  const isMachines = pod.spec?.hostNetwork === true && dnsPolicy === 'ClusterFirst';
  if (dnsPolicy === 'Default' || isMachines)
    return readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  const isOwn = dnsPolicy === 'None';
  const within = `svc.${clusterDomain}`;
  const searches = [
    ...(isOwn ? [] : [`${pod.metadata.namespace}.${within}`, within, clusterDomain]),
    ...(dnsConfig.searches ?? []),
  ];
  const servers = [...(isOwn ? [] : [ranges.podFacing]), ...(dnsConfig.nameservers ?? [])];
  // By name: what the pod says of one is in the place of the platform's own.
  const own = (dnsConfig.options ?? []).map(({ name = '', value }) => [name, value] as const);
  const merged = new Map([...(isOwn ? [] : [['ndots', '5'] as const]), ...own]);
  const options = [...merged].map(([name, value]) =>
    value === undefined ? name : `${name}:${value}`,
  );
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}
