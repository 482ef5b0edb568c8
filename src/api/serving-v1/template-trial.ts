import { Pod } from '#api/core-v1/pod.ts';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { revisionPodSpec } from '#api/serving-v1/revision-pod.ts';
import { Service } from '#api/serving-v1/service.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';

/** Kinds whose templates become pods. */
export function hasTemplate(kind: Pick<Kind, 'group' | 'kind'>): boolean {
  return [Service, Configuration].some(
    (each) => each.group === kind.group && each.kind === kind.kind,
  );
}

/**
 * The pod that whoever asks for a dry run of a Service or a Configuration asks for too, to be created by dry run itself
 * (serving specification §2.1). Undefined for a Configuration that a Service has made, which was tried with it.
 */
export function trialPod(object: KubeObject & Pick<Service, 'spec'>): Pod | undefined {
  const { labels = {}, namespace = '' } = object.metadata;
  if (object.kind === Configuration.kind && labels[servingKeys.service] !== undefined) {
    return undefined;
  }
  const metadata = { generateName: 'dry-run-validation', namespace };
  const spec = object.spec.template?.spec ?? {};
  return {
    apiVersion: apiVersionOf(Pod),
    kind: Pod.kind,
    metadata,
    spec: revisionPodSpec({ metadata, spec }, new Map()),
  };
}

/** What clients are told where no such pod can be made; undefined where it only could not be tried. */
export function trialComplaint(error: Error): string | undefined {
  // Somebody's webhook for pods: it would have to be asked for good.
  if (error.message.includes('does not support dry run')) return undefined;
  return `validation callback failed: dry run failed with ${error.message}: spec.template`;
}
