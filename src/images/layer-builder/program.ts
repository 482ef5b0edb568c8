/** What is to be run in a folder. */
export interface Program {
  readonly kind: 'node' | 'python' | 'static';
  /** The file to run, or the first page to show; relative to the folder. */
  readonly entry: string;
  readonly env: readonly string[];
  /** The folder below it that holds what a package tool installed. */
  readonly dependencies?: string;
  /** `3.11`, where what is installed is for that Python only. */
  readonly pythonVersion?: string;
}
