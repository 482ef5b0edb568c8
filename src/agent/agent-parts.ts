import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Service } from '#api/core-v1/service.ts';
import type { Client } from '#client/client.ts';
import type { Images } from '#images/image.ts';
import type { Gate } from '#base/gate.ts';
import type { AddressPool } from '#agent/network/address-pool.ts';
import type { PodNetwork } from '#agent/network/pod-network.ts';
import type { NetworkRanges } from '#agent/network/ranges.ts';
import type { SeccompProfile } from '#agent/oci/seccomp.ts';
import type { RootfsMethod } from '#agent/rootfs.ts';
import type { PodStarts } from '#agent/pods/pod-starts.ts';
import type { Runtime } from '#agent/runtime/runtime.ts';

/** A pod that requests may still be going to. */
interface DrainedPod {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
}

/** What every pod of the agent shares. */
export interface AgentParts {
  readonly client: Client;
  readonly images: Images;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly runtime: Runtime;
  readonly network: PodNetwork;
  readonly addresses: AddressPool;
  readonly ranges: NetworkRanges;
  readonly seccomp: SeccompProfile;
  readonly rootfsMethod: RootfsMethod;
  readonly starts: PodStarts;
  /** Bounds how many containers are being made at once. */
  readonly creates: Gate;
  /** Bounds how many commands run at once for probes. */
  readonly execs: Gate;
  /** Holds a folder for each pod, named by its uid. */
  readonly podsFolder: string;
  /** What is kept of the logs of pods that are gone; made when it is needed. */
  readonly logsFolder: string;
  /** Where persistent volumes are that are folders of the platform's own. */
  readonly volumesFolder: string;
  /** Where profiles are that a pod names by `seccompProfile.localhostProfile`. */
  readonly seccompFolder: string;
  readonly nodeName: string;
  readonly clusterDomain: string;
  /** Node's `process.arch`. */
  readonly arch: string;
  /** The Services of a namespace, as far as they are known. */
  readonly servicesOf: (namespace: string) => readonly Service[];
  /** Resolves when nothing is sent to the pod any more; before that it is not told to stop, within its grace. */
  readonly drain: (pod: DrainedPod, signal: AbortSignal) => Promise<void>;
}
