import type { ResourceRequirements, SecurityContext } from '#api/generated/core-v1.ts';
import { childName } from '#api/meta/child-name.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import type { DefaultsConfig } from '#api/serving-config/config-defaults.ts';
import type { FeaturesConfig } from '#api/serving-config/config-features.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import {
  isServing,
  type RevisionContainer,
  type RevisionProbe,
  type RevisionSpec,
} from '#api/serving-v1/revision-template.ts';
import { isWritable } from '#api/serving-v1/volume-errors.ts';

interface Within {
  /** Of the object that carries the spec: names of containers may be made of it. */
  readonly owner: ObjectMeta;
  readonly settings: ServingSettings;
  readonly operation: 'CREATE' | 'UPDATE';
}

/** Fills in what the author of a revision left out (serving specification §2.3), in place. */
export function defaultRevisionSpec(spec: RevisionSpec, within: Within): void {
  const { owner, settings, operation } = within;
  const { defaults, features } = settings;
  defaultTimeouts(spec, defaults);
  spec.containerConcurrency ??= defaults.containerConcurrency;
  const { containers = [], initContainers = [] } = spec;
  // What an older configuration has made of a revision stays so.
  if (
    operation === 'CREATE' &&
    containers.length > 0 &&
    defaults.enableServiceLinks !== 'default'
  ) {
    spec.enableServiceLinks ??= defaults.enableServiceLinks === 'true';
  }
  const named = nameData(owner);
  const given = new Set([...containers, ...initContainers].map(({ name = '' }) => name));
  defaultNames(containers, given, defaults.containerName.execute(named));
  defaultNames(initContainers, given, defaults.initContainerName.execute(named));
  for (const container of containers) {
    defaultResources(container, defaults);
    defaultProbes(container, isServing(container, spec) ? 'serving' : 'sidecar');
    defaultMounts(container, spec);
  }
  for (const container of [...containers, ...initContainers]) secure(container, spec, features);
}

function defaultTimeouts(spec: RevisionSpec, defaults: DefaultsConfig): void {
  spec.timeoutSeconds ||= defaults.timeoutSeconds;
  // Where it says nothing it is the timeout that the configuration says, not the revision's own.
  const start = defaults.responseStartTimeoutSeconds ?? defaults.timeoutSeconds;
  if (start > 0 && start < spec.timeoutSeconds) spec.responseStartTimeoutSeconds ??= start;
  const idle = defaults.idleTimeoutSeconds;
  if (idle > 0 && idle < spec.timeoutSeconds) spec.idleTimeoutSeconds ??= idle;
}

function nameData({ name = '', namespace = '', labels = {}, annotations = {} }: ObjectMeta) {
  return {
    Name: name,
    Namespace: namespace,
    Labels: new Map(Object.entries(labels)),
    Annotations: new Map(Object.entries(annotations)),
  };
}

/** One of several has a number, the first that its author has `given` to none; so has one that would be called like another. */
function defaultNames(
  containers: readonly RevisionContainer[],
  given: ReadonlySet<string>,
  usual: string,
): void {
  let next = 0;
  for (const container of containers) {
    if (container.name) continue;
    let name = usual;
    while ((name === usual && containers.length > 1) || given.has(name)) {
      name = childName(usual, `-${next}`);
      next += 1;
    }
    container.name = name;
  }
}

/** What the configuration says of each resource, where the container does not. */
function defaultResources(container: RevisionContainer, defaults: DefaultsConfig): void {
  const said = {
    requests: {
      cpu: defaults.cpuRequest,
      memory: defaults.memoryRequest,
      'ephemeral-storage': defaults.ephemeralStorageRequest,
    },
    limits: {
      cpu: defaults.cpuLimit,
      memory: defaults.memoryLimit,
      'ephemeral-storage': defaults.ephemeralStorageLimit,
    },
  } as const;
  for (const part of ['requests', 'limits'] as const) {
    for (const [name, amount] of Object.entries(said[part])) {
      if (amount === undefined || container.resources?.[part]?.[name] !== undefined) continue;
      const resources: ResourceRequirements = (container.resources ??= {});
      resources[part] = { ...resources[part], [name]: amount };
    }
  }
}

function defaultProbes(container: RevisionContainer, role: 'serving' | 'sidecar'): void {
  if (role === 'serving') container.readinessProbe ??= {};
  for (const probe of [container.livenessProbe, container.startupProbe]) {
    if (probe?.grpc) probe.grpc.service ??= '';
  }
  const probe = container.readinessProbe;
  if (!probe) return;
  const isHandled = probe.tcpSocket ?? probe.httpGet ?? probe.exec ?? probe.grpc;
  if (role === 'serving' && !isHandled) probe.tcpSocket = {};
  defaultReadinessProbe(probe);
}

function defaultReadinessProbe(probe: RevisionProbe): void {
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
    if (!isWritable(volume)) mount.readOnly = true;
  }
}

/** Few rights, where the cluster wants that and the author says nothing else. */
function secure(
  container: RevisionContainer,
  { securityContext: pod = {} }: RevisionSpec,
  { securePodDefaults }: FeaturesConfig,
): void {
  if (securePodDefaults === 'Disabled') return;
  const context: SecurityContext = (container.securityContext ??= {});
  context.allowPrivilegeEscalation ??= false;
  if (!pod.seccompProfile?.type)
    (context.seccompProfile ??= { type: '' }).type ||= 'RuntimeDefault';
  if (!context.capabilities) {
    // One that is not said counts, though it is none of these.
    const isLow = (container.ports ?? []).some(({ containerPort = 0 }) => containerPort < 1024);
    context.capabilities = { drop: ['ALL'], ...(isLow && { add: ['NET_BIND_SERVICE'] }) };
  }
  if (securePodDefaults === 'Enabled' && pod.runAsNonRoot === undefined)
    context.runAsNonRoot ??= true;
}
