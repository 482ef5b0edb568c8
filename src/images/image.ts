/** An image that is present on this machine, unpacked and ready to run. */
export interface Image {
  /** `sha256:…` of the manifest. */
  readonly digest: string;
  /** Unpacked layers on this machine, lowest first; read-only, shared by every container of the image. */
  readonly layers: readonly string[];
  readonly config: ImageConfig;
}

/** The execution part of an OCI image configuration (OCI image spec, config.md). */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  /** A signal's name or number. */
  readonly StopSignal?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
}

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** How to ask registries. */
export interface RegistryAccess {
  /** What to present to a registry that asks, in the order to try; nothing unless told. */
  readonly credentials?: readonly RegistryCredentials[];
  /** Told of each blob that is fetched or sent, before it is. Not told where somebody else's pull of the same serves. */
  readonly onProgress?: (blob: { readonly digest: string; readonly size: number }) => void;
  readonly signal: AbortSignal;
}

/** An image that cannot be had, in words for a pod's status. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  /** `NotFound`, `Unauthorized`, `Invalid` and `InUse` do not heal by themselves; `Unavailable` may. */
  readonly reason: 'NotFound' | 'Unauthorized' | 'Invalid' | 'InUse' | 'Unavailable';
  constructor(reason: ImageError['reason'], message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** What the agent and the controllers ask of images; the built-in registry is behind the same port. */
export interface Images {
  /** `repository@sha256:…` for a reference by tag, without pulling. Throws ImageError. */
  resolve(reference: string, access: RegistryAccess): Promise<string>;
  /** The image if all of it is on this machine already; never asks a registry. */
  find(reference: string): Promise<Image | undefined>;
  /** Pulls what is missing, verifies every digest, unpacks. Throws ImageError. */
  pull(reference: string, access: RegistryAccess): Promise<Image>;
}
