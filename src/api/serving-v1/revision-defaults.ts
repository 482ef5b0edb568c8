import type {
  RevisionContainer,
  RevisionProbe,
  RevisionSpec,
} from '#api/serving-v1/revision-template.ts';
import { servingContainer } from '#api/serving-v1/revision-template.ts';

/** What config-defaults says out of the box. */
export const revisionDefaults = {
  timeoutSeconds: 300,
  timeoutSecondsMax: 600,
  responseStartTimeoutSeconds: 300,
  containerConcurrency: 0,
  containerConcurrencyMax: 1000,
  containerName: 'user-container',
  initContainerName: 'init-container',
} as const;

/** Fills in what the author of a revision left out (serving specification §2.3), in place. */
export function defaultRevisionSpec(spec: RevisionSpec): void {
  spec.timeoutSeconds ||= revisionDefaults.timeoutSeconds;
  if (revisionDefaults.responseStartTimeoutSeconds < spec.timeoutSeconds) {
    spec.responseStartTimeoutSeconds ??= revisionDefaults.responseStartTimeoutSeconds;
  }
  spec.containerConcurrency ??= revisionDefaults.containerConcurrency;
  spec.enableServiceLinks ??= false;
  defaultNames(spec.containers ?? [], revisionDefaults.containerName);
  defaultNames(spec.initContainers ?? [], revisionDefaults.initContainerName);
  const serving = servingContainer(spec);
  for (const container of spec.containers ?? []) {
    defaultProbes(container, container === serving ? 'serving' : 'sidecar');
    defaultMounts(container, spec);
  }
}

function defaultNames(containers: readonly RevisionContainer[], template: string): void {
  const unnamed = containers.filter((container) => !container.name);
  const [only, another] = unnamed;
  const used = new Set(containers.map((container) => container.name));
  if (only && !another && !used.has(template)) {
    only.name = template;
    return;
  }
  let next = 0;
  for (const container of unnamed) {
    while (used.has(`${template}-${next}`)) next += 1;
    container.name = `${template}-${next}`;
    next += 1;
  }
}

function defaultProbes(container: RevisionContainer, role: 'serving' | 'sidecar'): void {
  if (role === 'serving') container.readinessProbe ??= {};
  for (const probe of [container.livenessProbe, container.startupProbe]) {
    if (probe?.grpc) probe.grpc.service ??= '';
  }
  const probe = container.readinessProbe;
  if (probe) defaultReadinessProbe(probe);
}

function defaultReadinessProbe(probe: RevisionProbe): void {
  if (!probe.tcpSocket && !probe.httpGet && !probe.exec && !probe.grpc) probe.tcpSocket = {};
  // An absent port means the serving port, which is spelled 0.
  if (probe.tcpSocket) probe.tcpSocket.port ??= 0;
  if (probe.grpc) probe.grpc.service ??= '';
  probe.successThreshold ||= 1;
  // Without a period the probe is asked as often as it helps, and these two have no meaning.
  if (!probe.periodSeconds) return;
  probe.failureThreshold ||= 3;
  probe.timeoutSeconds ||= 1;
}

/** Only volumes that a revision owns may be written to. */
function defaultMounts(container: RevisionContainer, spec: RevisionSpec): void {
  for (const mount of container.volumeMounts ?? []) {
    const volume = spec.volumes?.find(({ name }) => name === mount.name);
    if (!volume?.emptyDir && !volume?.persistentVolumeClaim && !volume?.ephemeral) {
      mount.readOnly = true;
    }
  }
}
