import type { Pod } from '#api/core-v1/pod.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Service } from '#api/serving-v1/service.ts';
import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';
import { hasTemplate, trialComplaint, trialPod } from '#api/serving-v1/template-trial.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';

/** Whoever tries a Service or a Configuration by dry run hears too what is wrong with the pods it would have. */
export function templateTrial(tryPod: (pod: Pod) => Promise<unknown>): AdmissionStep {
  return {
    handles: hasTemplate,
    async check(object, { isDryRun, subresource }) {
      if (!object || !isDryRun || subresource !== undefined) return;
      // `handles` let only kinds with a template come here, and a Service's spec has all of it.
      const pod = trialPod(object as Service);
      if (!pod) return;
      try {
        await tryPod(pod);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const complaint = trialComplaint(error);
        if (complaint === undefined) return;
        const message = `admission webhook "${SERVING_WEBHOOK}" denied the request: ${complaint}`;
        throw new ApiError('BadRequest', message);
      }
    },
  };
}
