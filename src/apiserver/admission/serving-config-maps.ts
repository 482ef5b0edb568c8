import { ConfigMap } from '#api/core-v1/config-map.ts';
import { ApiError } from '#api/meta/api-error.ts';
import {
  CONFIG_NAMESPACE,
  CONFIG_WEBHOOK,
  configMapComplaint,
} from '#api/serving-config/config-maps.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';

/** Refuses ConfigMaps that Serving could not read, in the words that its webhook has for them on a foreign cluster. */
export const servingConfigMaps: AdmissionStep = {
  handles: (kind) => kind === ConfigMap,
  check(object) {
    // `handles` let only ConfigMaps come here.
    const configMap = object as ConfigMap | undefined;
    if (configMap?.metadata?.namespace !== CONFIG_NAMESPACE) return Promise.resolve();
    const { metadata, data } = configMap;
    const complaint = configMapComplaint({ metadata, ...(data && { data }) });
    if (complaint === undefined) return Promise.resolve();
    const message = `admission webhook "${CONFIG_WEBHOOK}" denied the request: validation failed: ${complaint}`;
    return Promise.reject(new ApiError('BadRequest', message));
  },
};
