/** A pod that is on its way, with the address it will have. */
export interface StartingPod {
  readonly name: string;
  readonly address: string;
}

export interface ReservedName {
  readonly name: string;
  readonly uid: string;
  /** Says that no object was made by it after all. */
  release(): void;
}

export interface StartTarget {
  readonly namespace: string;
  readonly deployment: string;
  readonly count: number;
}
