/** A pod that is on its way, with the address it will have. */
export interface StartingPod {
  readonly name: string;
  readonly address: string;
}

/**
 * Starts pods of a Deployment before its replica count says so, from sandboxes that are prepared; the API objects follow
 * the fact. Where nothing can do that (a foreign cluster) there is none, and the replica count alone starts pods.
 */
export interface HeadStart {
  /**
   * Starts up to `count` pods and returns at once with those that will come, which may be fewer or none. Asking again for
   * pods that are starting already starts no more. `onStopped` is called with a pod's name if it will not come after all.
   */
  start(
    target: { readonly namespace: string; readonly deployment: string; readonly count: number },
    onStopped: (pod: string) => void,
  ): readonly StartingPod[];
}
