import { Image } from '#api/caching-v1alpha1/image.ts';
import { apiVersionOf, type StatusOf } from '#api/kind.ts';
import { childName } from '#api/meta/child-name.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { Client } from '#client/client.ts';
import { ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import { childLabels, workloadAnnotations } from '#controllers/serving/revision/child-metadata.ts';

/** One Image for each container, by digest: whoever pulls ahead of pods goes by them, and nobody here waits for that. */
export async function ensureImages(
  client: Client,
  revision: Revision,
  { containerStatuses = [], initContainerStatuses = [] }: StatusOf<Revision>,
): Promise<void> {
  const { containers = [], initContainers = [] } = revision.spec;
  const digests = new Map(
    [...containerStatuses, ...initContainerStatuses].map(({ name, imageDigest }) => [
      name,
      imageDigest,
    ]),
  );
  for (const { name = '', image = '' } of [...containers, ...initContainers]) {
    const desired = desiredImage(revision, { container: name, image: digests.get(name) || image });
    // One of that name that is somebody else's is left alone: it is advice, and no part of the revision.
    const says = { create: `failed to create image cache "${desired.metadata.name}"` };
    await ensureOwned(client, Image, { owner: revision, desired, says });
  }
}

function desiredImage(
  revision: Revision,
  { container, image }: { readonly container: string; readonly image: string },
): Image {
  const { name, namespace } = placeOf(revision.metadata);
  const { serviceAccountName, imagePullSecrets } = revision.spec;
  return {
    apiVersion: apiVersionOf(Image),
    kind: Image.kind,
    metadata: {
      name: childName(childName(name, '-cache'), `-${container}`),
      namespace,
      labels: childLabels(revision),
      annotations: workloadAnnotations(revision),
    },
    spec: {
      image,
      ...(serviceAccountName && { serviceAccountName }),
      ...(imagePullSecrets && { imagePullSecrets }),
    },
  };
}
