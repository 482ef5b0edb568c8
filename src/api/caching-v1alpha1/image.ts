import type { LocalObjectReference } from '#api/generated/core-v1.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned } from '#api/meta/conditions.ts';
import { array, core, object, optional, string } from '#api/schema.ts';

/** An image that a revision runs: advice for whoever pulls ahead of pods. */
export type Image = ObjectOf<typeof Image>;
export const Image = defineKind({
  group: 'caching.internal.knative.dev',
  version: 'v1alpha1',
  kind: 'Image',
  plural: 'images',
  categories: ['knative-internal', 'caching'],
  scope: 'Namespaced',
  spec: object({
    image: string(),
    serviceAccountName: optional(string()),
    imagePullSecrets: optional(
      array(core<LocalObjectReference>('io.k8s.api.core.v1.LocalObjectReference')),
    ),
  }),
  status: object(conditioned),
  columns: [{ name: 'Image', type: 'string', jsonPath: '.spec.image' }],
});
