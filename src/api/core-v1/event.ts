import type { Event as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Event = Generated;
export const Event = defineCoreKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Event',
  shortNames: ['ev'],
});
