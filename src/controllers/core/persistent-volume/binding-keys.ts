/*
 * The annotations by which Kubernetes' binder, scheduler and provisioners tell each other how far a claim has come; others'
 * provisioners read and write them too.
 */

/** On a claim that has its volume. */
export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
/** On the side of a pair that a person left open. */
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
/** On a volume that was made for a claim: by whom. */
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';
/** On a claim that waited for its first pod: the node of that pod. */
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
/** On a claim that somebody else is to make a volume for. */
export const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner';
