import type { ConfigMap as Generated } from '#api/generated/core-v1.ts';
import { keyErrors, keptErrors } from '#api/core-v1/data-errors.ts';
import { defineCoreKind } from '#api/kind.ts';

export type ConfigMap = Generated;
export const ConfigMap = defineCoreKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.ConfigMap',
  shortNames: ['cm'],
  validate(configMap, { previous }) {
    return [
      ...keyErrors(configMap.data, 'data'),
      ...keyErrors(configMap.binaryData, 'binaryData'),
      ...keptErrors(configMap, previous),
    ];
  },
});
