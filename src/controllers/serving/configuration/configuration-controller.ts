import type { StatusOf } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { conditionOf } from '#api/meta/conditions.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { defineController, type Context, type Controller } from '#reconcile/controller.ts';
import { recordEvent, type EventText } from '#reconcile/record-event.ts';
import {
  configurationStatus,
  type ObservedConfiguration,
} from '#controllers/serving/configuration/configuration-status.ts';
import { desiredRevision } from '#controllers/serving/configuration/desired-revision.ts';
import { isAdoptable, isOfGeneration } from '#controllers/serving/configuration/is-adoptable.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';

/** Configuration → one Revision per generation (serving specification §3.2). */
export function configurationController(): Controller<Configuration> {
  return defineController<Configuration>({
    kind: Configuration,
    owns: [Revision],
    async reconcile(configuration, context) {
      const observed = await observe(configuration, context);
      const status = configurationStatus(configuration, observed, context.clock.now());
      for (const text of newsOf(configuration, status)) await tell(configuration, context, text);
      if ('latest' in observed) await tellFailure(configuration, status, context);
      return {
        status,
        ...('error' in observed && { failure: observed.error }),
        ...('awaits' in observed && { awaits: observed.awaits }),
      };
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
    const awaits = { kind: Revision, ref: { namespace, name: chosen } };
    return { failure: `Revision creation failed with message: ${message}.`, awaits };
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
    const failure = `Revision creation failed with message: ${error.message}.`;
    const said = `failed to create Revision: ${error.message}`;
    return { failure, error: new ApiError(error.reason, said, error.details, error.said) };
  }
}

type News = Omit<EventText, 'component'>;

/** What has changed for whoever waits for a revision. */
function* newsOf(configuration: Configuration, status: StatusOf<Configuration>): Generator<News> {
  const { latestReadyRevisionName: before } = configuration.status ?? {};
  const { latestReadyRevisionName: ready, latestCreatedRevisionName: latest = '' } = status;
  if (before === undefined && ready !== undefined && ready === latest) {
    const message = 'Configuration becomes ready';
    yield { type: 'Normal', reason: 'ConfigurationReady', message };
  }
  if (ready !== undefined && ready !== before) {
    const message = `LatestReadyRevisionName updated to "${ready}"`;
    yield { type: 'Normal', reason: 'LatestReadyUpdate', message };
  }
}

/** Once for each failure: where the condition says so already, it was told. */
async function tellFailure(
  configuration: Configuration,
  status: StatusOf<Configuration>,
  context: Context,
): Promise<void> {
  const failed = status.conditions?.find(({ type }) => type === 'Ready');
  const isKnown = failed?.message === conditionOf(configuration, 'Ready')?.message;
  if (failed?.status !== 'False' || isKnown) return;
  const { latestCreatedRevisionName: latest } = status;
  const wasReady = latest === configuration.status?.latestReadyRevisionName;
  await tell(configuration, context, {
    type: 'Warning',
    reason: wasReady ? 'LatestReadyFailed' : 'LatestCreatedFailed',
    message: `Latest ${wasReady ? 'ready' : 'created'} revision "${latest}" has failed`,
  });
}

async function tell(configuration: Configuration, context: Context, text: News): Promise<void> {
  await recordEvent(context, configuration, { ...text, component: 'configuration-controller' });
}
