import { ApiError } from '#api/meta/api-error.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { isSameContent } from '#client/overlay.ts';
import { defineController, type Context, type Controller } from '#reconcile/controller.ts';
import { recordEvent, type EventText } from '#reconcile/record-event.ts';
import {
  configurationStatus,
  type ObservedConfiguration,
} from '#controllers/serving/configuration/configuration-status.ts';
import { desiredRevision } from '#controllers/serving/configuration/desired-revision.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';

/** Configuration → one Revision per generation (serving specification §3.2). */
export function configurationController(): Controller<Configuration> {
  return defineController<Configuration>({
    kind: Configuration,
    owns: [Revision],
    async reconcile(configuration, context) {
      const observed = await observe(configuration, context);
      const status = configurationStatus(configuration, observed, context.clock.now());
      const ready = status.latestReadyRevisionName;
      if (ready !== undefined && ready !== configuration.status?.latestReadyRevisionName) {
        await tell(configuration, context, {
          type: 'Normal',
          reason: 'LatestReadyUpdate',
          message: `LatestReadyRevisionName updated to "${ready}"`,
        });
      }
      return { status };
    },
  });
}

async function observe(
  configuration: Configuration,
  context: Context,
): Promise<ObservedConfiguration> {
  const { name, namespace } = placeOf(configuration.metadata);
  const { items } = await context.client.list(Revision, {
    namespace,
    labelSelector: `${servingKeys.configuration}=${name}`,
  });
  const revisions = items.filter((revision) => isOwnedBy(revision, configuration));
  const chosen = configuration.spec.template?.metadata?.name;
  const latest =
    chosen === undefined
      ? revisions.find((revision) => isOfGeneration(revision, configuration))
      : await context.client.get(Revision, { namespace, name: chosen });
  if (!latest) return created(configuration, revisions, context);
  if (chosen !== undefined && !isAdoptable(latest, configuration)) {
    const message = `revisions.serving.knative.dev "${chosen}" already exists`;
    return { failure: `Revision creation failed with message: ${message}.` };
  }
  return { latest, revisions };
}

async function created(
  configuration: Configuration,
  revisions: readonly Revision[],
  context: Context,
): Promise<ObservedConfiguration> {
  const desired = desiredRevision(configuration, context.clock.now());
  try {
    const latest = await context.client.create(Revision, desired);
    const message = `Created Revision "${latest.metadata.name}"`;
    await tell(configuration, context, { type: 'Normal', reason: 'Created', message });
    return { latest, revisions: [...revisions, latest] };
  } catch (error) {
    // Somebody took the name since it was looked up: the next attempt sees whose it is.
    if (!(error instanceof ApiError) || error.reason === 'AlreadyExists') throw error;
    const message = `Failed to create Revision: ${error.message}`;
    await tell(configuration, context, { type: 'Warning', reason: 'CreationFailed', message });
    return { failure: `Revision creation failed with message: ${error.message}.` };
  }
}

async function tell(
  configuration: Configuration,
  context: Context,
  text: Omit<EventText, 'component'>,
): Promise<void> {
  await recordEvent(context, configuration, { ...text, component: 'configuration-controller' });
}

function isOfGeneration({ metadata }: Revision, configuration: Configuration): boolean {
  const generation = metadata.labels?.[servingKeys.configurationGeneration];
  return generation === String(configuration.metadata.generation);
}

/** A name may be used again for the same thing: that is how a user rolls back by name. */
function isAdoptable(revision: Revision, configuration: Configuration): boolean {
  if (!isOwnedBy(revision, configuration)) return false;
  if (isOfGeneration(revision, configuration)) return true;
  return isSameContent(revision.spec, configuration.spec.template?.spec);
}
