import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Container } from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Image } from '#images/image.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { ociSpec, type ContainerPlan } from '#agent/oci/oci-spec.ts';
import type { ConfigReader } from '#agent/pods/config-reader.ts';
import { configProblem } from '#agent/pods/container-problem.ts';
import { planContainer, writeTerminationLog } from '#agent/pods/container-plan.ts';
import { writeEtc } from '#agent/pods/etc-files.ts';
import { keepLogs } from '#agent/logs/kept-logs.ts';
import {
  writePodRecord,
  type ContainerRecord,
  type PodRecord,
  type PreparedFor,
} from '#agent/pods/pod-record.ts';
import { PodNamespaces } from '#agent/pods/pod-namespaces.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { writeVolumes } from '#agent/volumes/volumes.ts';
import { createRootfs, removeMounted } from '#agent/rootfs.ts';
import type { KnownContainer } from '#agent/runtime/runtime.ts';

/** Attempts whose log is kept: the newest and the one before it (`logs --previous`). */
const ATTEMPTS_KEPT = 2;

/**
 * What a pod has on this machine: an address with its network namespace, a folder with its record, and its containers.
 * The record is always written before what it names is made.
 */
export class PodSandbox {
  readonly folder: string;
  readonly #parts: AgentParts;
  readonly #namespaces: PodNamespaces;
  #record: PodRecord;
  /** What the runtime said of the containers of an adopted pod; of ours, we know. */
  readonly #states = new Map<string, KnownContainer['state']>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #ends = new Map<string, AbortController>();
  #hasNetwork = false;
  #writing: Promise<void> = Promise.resolve();
  #written: PodRecord | undefined;

  constructor(parts: AgentParts, record: PodRecord, known: readonly KnownContainer[] = []) {
    this.#parts = parts;
    this.#record = record;
    this.folder = sandboxFolder(parts, record.uid);
    this.#namespaces = new PodNamespaces({ parts, podFolder: this.folder, uid: record.uid });
    for (const { id, state } of known) this.#states.set(id, state);
  }

  /** Makes folder, record, network and volumes. Call `remove` also where this throws. */
  static async create(parts: AgentParts, pod: Pod, prepared?: PreparedFor): Promise<PodSandbox> {
    const isHosted = pod.spec?.hostNetwork === true;
    const address = isHosted ? parts.ranges.podFacing : parts.addresses.take();
    const { namespace = '', name = '', uid = '' } = pod.metadata;
    const startTime = timestamp(parts.clock.now());
    const controller = pod.metadata.ownerReferences?.find((owner) => owner.controller === true);
    const replicaSet =
      prepared?.replicaSet ?? (controller?.kind === 'ReplicaSet' ? controller.uid : undefined);
    const sandbox = new PodSandbox(parts, {
      version: 1,
      namespace,
      name,
      uid,
      address,
      startTime,
      containers: {},
      ...(isHosted && { hostNetwork: true as const }),
      ...(replicaSet !== undefined && { replicaSet }),
      ...(prepared && { prepared }),
    });
    if (!prepared) parts.starts.begin(sandbox.#record);
    try {
      await mkdir(sandbox.folder, { recursive: true, mode: 0o700 });
      // Before the record: a folder without one is removed at the next start, one with it is taken to have its files.
      await writeEtc(pod, sandbox.folder, { address, ...parts });
      await writePodRecord(sandbox.folder, sandbox.#record);
      await Promise.all([
        sandbox.#namespaces.ensure(),
        ...(isHosted ? [] : [sandbox.#createNetwork()]),
      ]);
    } catch (error) {
      await sandbox.remove();
      throw error;
    }
    return sandbox;
  }

  get record(): PodRecord {
    return this.#record;
  }

  get address(): string {
    return this.#record.address;
  }

  /** Where the pod's network is, for those who join it. */
  get networkNamespace(): string {
    if (this.#record.hostNetwork) return '/proc/self/ns/net';
    return this.#parts.network.pathOf(this.address);
  }

  /** The runtime's ids of all that the sandbox has, whether they are there or not. */
  get ids(): readonly string[] {
    const containers = Object.values(this.#record.containers).map(({ id }) => id);
    return [...containers, this.#namespaces.holderId];
  }

  get hasContainers(): boolean {
    return Object.keys(this.#record.containers).length > 0;
  }

  container(name: string): ContainerRecord | undefined {
    return this.#record.containers[name];
  }

  stateOf(id: string): KnownContainer['state'] | undefined {
    return this.#states.get(id);
  }

  /**
   * After a reboot the record is there and the network is not: it is made again, and `true` says so. So is one of which
   * nobody knows whether it is whole: whoever was killed before the first container may have been making it.
   */
  async ensureNetwork(): Promise<boolean> {
    await this.#namespaces.ensure();
    if (this.#record.hostNetwork) return false;
    const existing = await this.#parts.network.list();
    this.#hasNetwork = existing.has(this.address) && this.hasContainers;
    if (this.#hasNetwork) return false;
    if (existing.has(this.address)) await this.#parts.network.remove(this.address);
    await this.#createNetwork();
    return true;
  }

  /** Writes the pod's volumes, or writes them anew. Throws ContainerProblem. */
  async writeVolumes(pod: Pod, reader: ConfigReader): Promise<void> {
    const folder = path.join(this.folder, 'volumes');
    await mkdir(folder, { recursive: true });
    await writeVolumes({ ...this.#facts(pod), reader, folder });
  }

  /** Makes the next attempt at a container, ready to start. Throws ContainerProblem and RuntimeError. */
  async createContainer(
    pod: Pod,
    container: Container,
    { image, reader }: { readonly image: Image; readonly reader: ConfigReader },
  ): Promise<void> {
    const before = this.container(container.name);
    const attempt = before ? before.attempt + 1 : 0;
    const id = this.#parts.random.uuid().replaceAll('-', '');
    const bundle = this.bundleOf(container.name, attempt);
    await this.note(container.name, {
      id,
      attempt,
      image: container.image ?? '',
      imageID: image.digest,
      ...(image.config.StopSignal !== undefined && { stopSignal: image.config.StopSignal }),
      ...(before?.terminated && { last: before.terminated }),
    });
    const { runtime, rootfsMethod, creates } = this.#parts;
    await creates.run(async () => {
      await mkdir(bundle, { recursive: true });
      await createRootfs({ layers: image.layers, bundle, method: rootfsMethod });
      await writeTerminationLog(bundle);
      await using keep = new AsyncDisposableStack();
      const namespaces = await this.#namespacesFor(pod, container);
      const own = { container, image, reader, bundle, id, keep, ...namespaces };
      const sources = { ...this.#facts(pod), ...own };
      const plan = await planContainer({ ...sources, podFolder: this.folder }, this.#parts);
      const spec = ociSpec(plan);
      await runtime.create({
        id,
        bundle,
        spec,
        logFile: path.join(bundle, 'log'),
        ...(container.stdin && { stdin: container.stdinOnce ? 'once' : 'open' }),
      });
    }, new AbortController().signal);
    this.#states.set(id, 'created');
    await rm(this.bundleOf(container.name, attempt - ATTEMPTS_KEPT), {
      recursive: true,
      force: true,
    });
  }

  /** Lets a created container run; whoever asks again meanwhile waits for the same start. Nothing is written for it. */
  startContainer(name: string): Promise<void> {
    const { id } = this.#required(name);
    const starting = this.#starting.get(id) ?? this.#start(id);
    this.#starting.set(id, starting);
    return starting;
  }

  /** Stops the processor time of what has started, until `thaw`. */
  async freeze(): Promise<void> {
    await this.#each(async (id) => await this.#parts.runtime.freeze(id));
  }

  async thaw(): Promise<void> {
    await this.#each(async (id) => await this.#parts.runtime.thaw(id));
  }

  /** Aborted when the attempt has ended and its log is whole. */
  endOf(id: string): AbortSignal {
    const end = this.#ends.get(id) ?? new AbortController();
    this.#ends.set(id, end);
    return end.signal;
  }

  async note(name: string, record: ContainerRecord): Promise<void> {
    await this.#write({
      ...this.#record,
      containers: { ...this.#record.containers, [name]: record },
    });
  }

  /** Writes down what could not be written before. */
  async save(): Promise<void> {
    await this.#write({ ...this.#record });
  }

  /** Its Pod object exists: from now on it is a pod like any other. */
  async bind(): Promise<void> {
    const { prepared: _, ...record } = this.#record;
    await this.#write(record);
  }

  /** Forgets an attempt that was never made, so that the next one takes its number. */
  async forget(name: string): Promise<void> {
    const { [name]: record, ...containers } = this.#record.containers;
    if (!record) return;
    await this.release(name);
    if (record.attempt === 0) {
      await this.#write({ ...this.#record, containers });
      return;
    }
    const { terminated: _, last, ...rest } = record;
    await this.note(name, {
      ...rest,
      attempt: record.attempt - 1,
      ...(last && { terminated: last }),
    });
  }

  /** Removes all of the container but its log and its record. */
  async release(name: string): Promise<void> {
    const record = this.#required(name);
    await this.#parts.runtime.delete(record.id);
    this.#isGone(record.id);
    const bundle = this.bundleOf(name, record.attempt);
    for (const folder of ['rootfs', 'upper', 'work'])
      await removeMounted(path.join(bundle, folder));
  }

  /** Gives address and namespaces back; the folder with its logs stays. */
  async releaseNamespaces(): Promise<void> {
    await this.#namespaces.release();
    if (!this.#hasNetwork) return;
    this.#hasNetwork = false;
    await this.#parts.network.remove(this.address);
    this.#parts.addresses.release(this.address);
  }

  /** Frees what volumes of the pod's own hold, memory too; for a pod whose containers have ended for good. */
  async releaseVolumes(): Promise<void> {
    await removeMounted(path.join(this.folder, 'volumes'));
  }

  /** Ends what runs and removes every trace but its last words; also of a sandbox that is half made. */
  async remove(): Promise<void> {
    for (const { id } of Object.values(this.#record.containers)) {
      await this.#parts.runtime.delete(id);
      this.#isGone(id);
    }
    await this.#keepLogs();
    // Whatever there is of it: this also undoes what was half made.
    this.#hasNetwork = !this.#record.hostNetwork;
    await this.releaseNamespaces();
    await removeMounted(this.folder);
  }

  bundleOf(name: string, attempt: number): string {
    return path.join(this.folder, 'containers', name, String(attempt));
  }

  async #each(run: (id: string) => Promise<void>): Promise<void> {
    await Promise.all(Object.values(this.#record.containers).map(({ id }) => run(id)));
  }

  async #start(id: string): Promise<void> {
    const { starts, runtime } = this.#parts;
    starts.begin(this.#record);
    await runtime.start(id);
    starts.started(this.#record);
    this.#states.set(id, 'running');
  }

  #isGone(id: string): void {
    this.#states.delete(id);
    this.#starting.delete(id);
    this.#ends.get(id)?.abort();
    this.#ends.delete(id);
  }

  async #keepLogs(): Promise<void> {
    const { uid, replicaSet, containers } = this.#record;
    const logs = Object.entries(containers).map(
      ([name, { attempt }]) => [name, path.join(this.bundleOf(name, attempt), 'log')] as const,
    );
    if (replicaSet === undefined) return;
    try {
      await keepLogs(this.#parts.logsFolder, { uid, replicaSet, logs });
    } catch (error) {
      // A full disk, say: what holds it has to go all the more.
      this.#parts.log.error('agent: the logs of a pod that is gone could not be kept', {
        uid,
        error,
      });
    }
  }

  /** What a container joins rather than has of its own. */
  async #namespacesFor(
    { spec }: Pod,
    { name }: Container,
  ): Promise<Pick<ContainerPlan, 'joined' | 'sharedMemory'>> {
    const network = this.networkNamespace;
    const { ipc, sharedMemory } = this.#namespaces;
    const added = spec?.ephemeralContainers?.find((each) => each.name === name);
    const target = spec?.hostPID ? undefined : added?.targetContainerName;
    const pid = spec?.shareProcessNamespace
      ? await this.#namespaces.processes(network)
      : target && (await this.#processesOf(target));
    return {
      joined: { network, ...(!spec?.hostIPC && { ipc }), ...(pid && { pid }) },
      sharedMemory: spec?.hostIPC ? '/dev/shm' : sharedMemory,
    };
  }

  async #processesOf(name: string): Promise<string> {
    const { id } = this.container(name) ?? {};
    const pid = id && (await this.#parts.runtime.processOf(id));
    if (pid) return `/proc/${pid}/ns/pid`;
    throw configProblem(`unable to find target container "${name}": it does not run`);
  }

  async #createNetwork(): Promise<void> {
    await this.#parts.network.create(this.address);
    this.#hasNetwork = true;
  }

  /** One write at a time, of the newest there is; resolves when `record` or a later one is on disk. */
  async #write(record: PodRecord): Promise<void> {
    this.#record = record;
    const before = this.#writing;
    const writing = (async () => {
      await before.catch(() => undefined);
      if (this.#written === this.#record) return;
      const newest = this.#record;
      await writePodRecord(this.folder, newest);
      this.#written = newest;
    })();
    this.#writing = writing;
    await writing;
  }

  #required(name: string): ContainerRecord {
    const record = this.container(name);
    if (!record)
      throw new Error(`Cannot use container "${name}": the sandbox has none of that name`);
    return record;
  }

  #facts(pod: Pod) {
    const { ranges, client, volumesFolder } = this.#parts;
    return { pod, address: this.address, hostAddress: ranges.podFacing, client, volumesFolder };
  }
}

function sandboxFolder(parts: Pick<AgentParts, 'podsFolder'>, uid: string): string {
  return path.join(parts.podsFolder, uid);
}
