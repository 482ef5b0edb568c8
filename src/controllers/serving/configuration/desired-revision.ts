import { timestamp } from '#api/meta/timestamp.ts';
import { apiVersionOf } from '#api/kind.ts';
import { childName } from '#api/meta/child-name.ts';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';

/** The Revision of a Configuration's current generation. Only the template's metadata goes into it. */
export function desiredRevision(configuration: Configuration, now: Date): Revision {
  const { template } = configuration.spec;
  const { name, namespace } = placeOf(configuration.metadata);
  const { uid = '', generation = 0, labels = {}, annotations = {} } = configuration.metadata;
  const routes = annotations[servingKeys.routes];
  const creator = annotations[servingKeys.lastModifier] ?? annotations[servingKeys.creator];
  return {
    apiVersion: apiVersionOf(Revision),
    kind: Revision.kind,
    metadata: {
      name: template?.metadata?.name ?? revisionName(configuration),
      namespace,
      labels: {
        ...template?.metadata?.labels,
        [servingKeys.configuration]: name,
        [servingKeys.configurationGeneration]: String(generation),
        [servingKeys.configurationUid]: uid,
        ...copied(labels, [servingKeys.service, servingKeys.serviceUid]),
        [servingKeys.routingState]: routes === undefined ? 'pending' : 'active',
      },
      annotations: {
        ...template?.metadata?.annotations,
        ...(creator !== undefined && { [servingKeys.creator]: creator }),
        ...(routes !== undefined && { [servingKeys.routes]: routes }),
        [servingKeys.routingStateModified]: timestamp(now),
      },
      ownerReferences: [controllerReference(configuration)],
    },
    spec: template?.spec ?? {},
  };
}

function revisionName({ metadata }: Configuration): string {
  return childName(metadata.name ?? '', `-${String(metadata.generation ?? 0).padStart(5, '0')}`);
}

function copied(
  from: Readonly<Record<string, string>>,
  keys: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])),
  );
}
