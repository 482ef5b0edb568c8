import type { ConfigMap as Generated } from '#api/generated/core-v1.ts';
import { keyErrors, keptErrors } from '#api/core-v1/data-errors.ts';
import { defineCoreKind } from '#api/kind.ts';
import { CONFIG_NAMESPACE, configMapWarnings } from '#api/serving-config/config-maps.ts';
import { wrongValue } from '#api/meta/field-error.ts';

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
      ...Object.keys(configMap.data ?? {})
        .filter((key) => Object.hasOwn(configMap.binaryData ?? {}, key))
        .map((key) => wrongValue(`data[${key}]`, key, 'duplicate of key present in binaryData')),
      ...keptErrors(configMap, previous),
    ];
  },
  warnings({ metadata, data }) {
    if (metadata.namespace !== CONFIG_NAMESPACE) return [];
    return [...configMapWarnings({ metadata, ...(data && { data }) })];
  },
});
