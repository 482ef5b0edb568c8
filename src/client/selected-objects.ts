import type { KubeObject } from '#api/meta/object-meta.ts';
import type { ChangeHandler, Informer } from '#client/informer.ts';

/** What an informer knows of some of its objects. */
export type SelectedObjects<T extends KubeObject> = Pick<Informer<T>, 'get' | 'list' | 'onChange'>;

/**
 * The objects for which `isSelected` holds, as if `informer` had watched no others: one that begins or ceases to be
 * selected comes or goes.
 */
export function selectedObjects<T extends KubeObject>(
  informer: SelectedObjects<T>,
  isSelected: (object: T) => boolean,
): SelectedObjects<T> {
  const ifSelected = (object: T | undefined): T | undefined =>
    object && isSelected(object) ? object : undefined;
  return {
    get: (ref) => ifSelected(informer.get(ref)),
    list: (namespace) => informer.list(namespace).filter(isSelected),
    onChange(handler: ChangeHandler<T>) {
      return informer.onChange((change) => {
        const previous = ifSelected(change.previous);
        const current = ifSelected(change.current);
        if (current) handler(previous ? { previous, current } : { current });
        else if (previous) handler({ previous });
      });
    },
  };
}
