import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { DEFAULT_CAPABILITIES } from '#agent/oci/capabilities.ts';
import { ociSpec } from '#agent/oci/oci-spec.ts';
import type { CreateRequest, Runtime } from '#agent/runtime/runtime.ts';

export interface RuntimeSetup extends AsyncDisposable {
  /** Opens the same instance once more, as a later process would. */
  open(): Promise<Runtime>;
  /** A bundle whose rootfs holds a Node at /bin/node. */
  bundle(id: string): Promise<string>;
  /** Leaves of a container what a process does that is killed in the middle of its `delete`. */
  interruptDelete(id: string): Promise<void>;
  /** A network namespace to put containers into. */
  readonly networkNamespace: string;
}

interface Program extends Pick<CreateRequest, 'stdin'> {
  /** What Node runs in it. */
  readonly script: string;
  readonly isTerminal?: boolean;
}

/** Creates a container for a contract's test, under an id of its own; its log is `log` in its bundle. */
export async function createProgram(
  runtime: Runtime,
  setting: RuntimeSetup,
  { script, isTerminal = false, stdin }: Program,
): Promise<string> {
  const id = `contract-${process.hrtime.bigint().toString(36)}`;
  const bundle = await setting.bundle(id);
  await mkdir(bundle, { recursive: true });
  const spec = ociSpec({
    args: ['/bin/node', '-e', script],
    env: ['PATH=/bin'],
    cwd: '/',
    user: { uid: 0, gid: 0, additionalGids: [] },
    capabilities: DEFAULT_CAPABILITIES,
    isTerminal,
    isRootReadOnly: false,
    mayGainPrivileges: false,
    hostname: 'contract',
    joined: { network: setting.networkNamespace },
    cgroupsPath: runtime.cgroupsPathOf(id),
    resources: { limits: { memory: '512Mi' } },
    mounts: [],
  });
  const logFile = path.join(bundle, 'log');
  await runtime.create({ id, bundle, spec, logFile, ...(stdin && { stdin }) });
  return id;
}
