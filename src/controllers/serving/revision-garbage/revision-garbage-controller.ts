import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { defineController, type Controller } from '#reconcile/controller.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import { unneededRevisions } from '#controllers/serving/revision-garbage/unneeded-revisions.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/** The timer's own limit; a longer wait looks again in between. */
const LOOK_MS_MAX = 24 * 3_600_000;

/** Configuration → fewer Revisions: those that nobody uses go after a while (serving specification §3.6). */
export function revisionGarbageController({ settings }: ServingConfig): Controller<Configuration> {
  return defineController<Configuration>({
    kind: Configuration,
    isSilent: true,
    owns: [Revision],
    async reconcile(configuration, { client, clock }) {
      const { name, namespace } = placeOf(configuration.metadata);
      const labelSelector = `${servingKeys.configuration}=${name}`;
      const { items } = await client.list(Revision, { namespace, labelSelector });
      const now = clock.now();
      const config = settings().gc;
      const found = unneededRevisions(configuration, items, { config, now });
      for (const { metadata } of found.revisions) {
        const { uid = '', resourceVersion = '' } = metadata;
        // One that a Route has come to lead to since it was read is another version, and stays.
        const preconditions = { uid, resourceVersion };
        await client
          .delete(Revision, placeOf(metadata), { preconditions })
          .catch((error: unknown) => {
            if (!(error instanceof ApiError) || !isOutdated(error)) throw error;
          });
      }
      if (found.againAfterMs === undefined) return {};
      return { againAfterMs: Math.min(found.againAfterMs, LOOK_MS_MAX) };
    },
  });
}

function isOutdated({ reason }: ApiError): boolean {
  return reason === 'Conflict' || reason === 'NotFound';
}
