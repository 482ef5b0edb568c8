import type { AppendedFields } from '../route/appended-fields.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { ObservedRequest } from './request-observer.ts';

const DEFAULT = 'kn:default';
const UNDEFINED = 'kn:undefined';
const DISABLED = 'kn:disabled';

/** What stands where there is no tag to tell; all others are a Route's, or what a client says is one. */
export const NO_TAGS: ReadonlySet<string> = new Set([DEFAULT, UNDEFINED, DISABLED]);

/**
 * The tag by which a request came to its revision, as its pod may read it from the fields: one of NO_TAGS where it came by
 * the Route itself, with a tag that the Route does not have, or where headers choose no tags (serving specification §5.3).
 */
export function routeTagOf({ exchange, appended }: ObservedRequest): string {
  const tag = fieldOnward(exchange.head, appended, 'knative-serving-tag');
  const isDefault = fieldOnward(exchange.head, appended, 'knative-serving-default-route');
  if (!tag) return isDefault ? DEFAULT : DISABLED;
  return isDefault === 'true' ? UNDEFINED : tag;
}

/** As the pod gets it: what a route sets replaces what a client says, and what is about the connection ends here. */
function fieldOnward(
  { fields, connection }: RequestHead,
  { values }: AppendedFields,
  name: string,
): string | undefined {
  const set = values.get(name);
  return set ?? (connection?.includes(name) ? undefined : fields.get(name));
}
