/** A file of this machine that goes into the base layer. */
export interface MachineFile {
  readonly from: string;
  /** Absolute, in the image. */
  readonly to: string;
  /** Left out where the machine has none. */
  readonly isOptional?: boolean;
}
