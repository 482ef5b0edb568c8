import { parseLabelSelector } from '#api/meta/selector.ts';
import { parseFieldSelector } from '#apiserver/field-selector.ts';
import type { ResourceRequest } from '#apiserver/resource-request.ts';
import { objectOf } from '#apiserver/stored-object.ts';
import type { Entry } from '#store/store.ts';

/** Which objects of a collection a request is about. */
export interface Selection {
  readonly isEverything: boolean;
  selects(entry: Entry): boolean;
}

/** Reads labelSelector, fieldSelector and a name in the path. Throws BadRequest where one is malformed. */
export function selectionOf(request: ResourceRequest): Selection {
  const { kind, query, name } = request;
  const labelSelector = query.get('labelSelector') ?? '';
  const fieldSelector = query.get('fieldSelector') ?? '';
  const labels = parseLabelSelector(labelSelector);
  const fields = parseFieldSelector(kind, fieldSelector);
  if (labelSelector.trim() === '' && fieldSelector.trim() === '' && name === '') {
    return { isEverything: true, selects: () => true };
  }
  return {
    isEverything: false,
    selects(entry) {
      const object = objectOf(entry);
      const isNamed = name === '' || object.metadata.name === name;
      return isNamed && labels(object.metadata.labels) && fields.matches(object);
    },
  };
}
