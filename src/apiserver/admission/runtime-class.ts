import { Pod } from '#api/core-v1/pod.ts';
import { forbidden } from '#api/meta/api-error.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';

/** There is one way to run pods, so a pod that asks for another by its name is refused, as Kubernetes refuses unknown names. */
export const runtimeClass: AdmissionStep = {
  handles: (kind) => kind === Pod,
  admit(object, { kind, operation, subresource }) {
    // handles() let only pods come here.
    const { runtimeClassName } = (object as Pod).spec ?? {};
    if (operation !== 'CREATE' || subresource !== undefined || !runtimeClassName) {
      return Promise.resolve(undefined);
    }
    const why = `pod rejected: RuntimeClass "${runtimeClassName}" not found`;
    return Promise.reject(forbidden(kind, object.metadata.name ?? '', why));
  },
};
