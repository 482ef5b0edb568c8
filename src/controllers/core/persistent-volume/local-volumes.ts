/** The folders in which volumes that were made for claims keep their data, each named after its PersistentVolume. */
export interface LocalVolumes {
  /** Whether the folder exists is the affair of whoever mounts it. */
  pathOf(volume: string): string;
  /** Removes the folder and all that is in it; also where there is none. Throws ApiError where that fails. */
  remove(volume: string): Promise<void>;
}
