/** How much of something a machine has, and how much of it is still to be had. */
export interface MachineResource {
  readonly available: number;
  readonly total: number;
}
