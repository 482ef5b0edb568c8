import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '#base/command.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { holderProgram } from '#agent/oci/holder-program.ts';
import { ociSpec } from '#agent/oci/oci-spec.ts';
import { ociSeccomp } from '#agent/oci/seccomp.ts';
import { isMounted, removeMounted } from '#agent/rootfs.ts';

export interface PodNamespacesOptions {
  readonly parts: Pick<AgentParts, 'runtime' | 'seccomp' | 'arch'>;
  /** The pod's; what is here is in a folder of its own there. */
  readonly podFolder: string;
  /** The container that holds the pod's processes together has its id from it. */
  readonly uid: string;
}

/** Kubernetes' for a pod. */
const SHM_OPTIONS = 'nosuid,nodev,noexec,mode=1777,size=65536k';
/** The user that Kubernetes' own holder has. */
const NOBODY = 65535;

/**
 * What the containers of a pod have together besides its network: shared memory always, as one of them may be made anew
 * while another still uses it, and processes where the pod asks. Namespaces are kept by being mounted, as `ip netns` does;
 * that of processes lives as long as its first process does, so only there a program has to wait.
 */
export class PodNamespaces {
  readonly #options: PodNamespacesOptions;
  readonly #folder: string;
  #holding: Promise<string> | undefined;

  constructor(options: PodNamespacesOptions) {
    this.#options = options;
    this.#folder = path.join(options.podFolder, 'shared');
  }

  /** Of messages and shared memory (ipc_namespaces(7)). */
  get ipc(): string {
    return path.join(this.#folder, 'ipc');
  }

  /** What containers see as /dev/shm. */
  get sharedMemory(): string {
    return path.join(this.#folder, 'shm');
  }

  get holderId(): string {
    return this.#options.uid.replaceAll('-', '');
  }

  /** Makes what is not there; a boot takes it away and leaves the folder. */
  async ensure(): Promise<void> {
    await mkdir(this.sharedMemory, { recursive: true });
    await Promise.all([
      ensureMounted(this.sharedMemory, async (target) => {
        await runCommand(['mount', '-t', 'tmpfs', '-o', SHM_OPTIONS, 'shm', target]);
      }),
      ensureMounted(this.ipc, async (file) => {
        await writeFile(file, '');
        await runCommand(['unshare', `--ipc=${file}`, 'true']);
      }),
    ]);
  }

  /** Where the pod's processes are; whoever holds them is made where it is not there, or not any more. */
  processes(network: string): Promise<string> {
    this.#holding ??= this.#hold(network).finally(() => {
      this.#holding = undefined;
    });
    return this.#holding;
  }

  /** Ends what is left of the pod's processes. */
  async release(): Promise<void> {
    await this.#options.parts.runtime.delete(this.holderId);
    await removeMounted(this.#folder);
  }

  async #hold(network: string): Promise<string> {
    const { runtime } = this.#options.parts;
    const file = path.join(this.#folder, 'pid');
    const isHeld = (await isMounted(file)) && (await runtime.processOf(this.holderId));
    if (isHeld) return file;
    // Its end was the end of all the others.
    await runtime.delete(this.holderId);
    await removeMounted(file);
    await this.#startHolder(network);
    const pid = await runtime.processOf(this.holderId);
    await writeFile(file, '');
    await runCommand(['mount', '--bind', `/proc/${pid}/ns/pid`, file]);
    // Otherwise the number may have been somebody else's by then.
    if ((await runtime.processOf(this.holderId)) === pid && pid !== undefined) return file;
    throw new Error("the first process of the pod's process namespace ended");
  }

  async #startHolder(network: string): Promise<void> {
    const { runtime, seccomp, arch } = this.#options.parts;
    const bundle = path.join(this.#folder, 'holder');
    const rootfs = path.join(bundle, 'rootfs');
    await mkdir(rootfs, { recursive: true });
    await writeFile(path.join(rootfs, 'pause'), holderProgram(arch), { mode: 0o755 });
    const spec = ociSpec({
      args: ['/pause'],
      env: [],
      cwd: '/',
      user: { uid: NOBODY, gid: NOBODY, additionalGids: [] },
      capabilities: [],
      isRootReadOnly: true,
      mayGainPrivileges: false,
      seccomp: ociSeccomp(seccomp, { arch, capabilities: [] }),
      hostname: 'pause',
      joined: { network, ipc: this.ipc },
      sharedMemory: this.sharedMemory,
      cgroupsPath: runtime.cgroupsPathOf(this.holderId),
      resources: {},
      mounts: [],
    });
    const logFile = path.join(bundle, 'log');
    await runtime.create({ id: this.holderId, bundle, spec, logFile });
    await runtime.start(this.holderId);
  }
}

async function ensureMounted(
  target: string,
  mount: (target: string) => Promise<void>,
): Promise<void> {
  if (!(await isMounted(target))) await mount(target);
}
