import { Deployment } from '#api/apps-v1/deployment.ts';
import { parseScaleAnnotations } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Image } from '#api/caching-v1alpha1/image.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Kind, StatusOf } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { conditionOf, Conditions } from '#api/meta/conditions.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Client } from '#client/client.ts';
import {
  defineController,
  on,
  type Context,
  type Controller,
  type Key,
  type Outcome,
} from '#reconcile/controller.ts';
import { initialScaleOf } from '#autoscaler/scale-settings.ts';
import { ConditionAges } from '#reconcile/condition-ages.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { tried } from '#reconcile/told-failure.ts';
import { doesNotOwn, ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import {
  deploymentName,
  desiredDeployment,
} from '#controllers/serving/revision/desired-deployment.ts';
import { desiredPodAutoscaler } from '#controllers/serving/revision/desired-pod-autoscaler.ts';
import type { DigestResolver } from '#controllers/serving/revision/digest-resolver.ts';
import {
  isWithoutAvailablePods,
  markContainerMissing,
  markDeploying,
  markDeployment,
  markNotOwned,
  markPodAutoscaler,
  markResolvingDigests,
} from '#controllers/serving/revision/revision-status.ts';
import { ensureImages } from '#controllers/serving/revision/image-caches.ts';
import { asOfNow, type ServingConfig } from '#controllers/serving/serving-config.ts';

export interface RevisionOptions {
  readonly config: ServingConfig;
  readonly digests: DigestResolver;
}

interface Parts extends RevisionOptions {
  readonly ages: ConditionAges;
}

type Status = StatusOf<Revision>;

/** Revision → digests, then Deployment, then PodAutoscaler (serving specification §3.3). */
export function revisionController(options: RevisionOptions): Controller<Revision> {
  const ages = new ConditionAges();
  return defineController<Revision>({
    kind: Revision,
    owns: [Deployment, Image, PodAutoscaler],
    watches: [on(Pod, revisionOfPod)],
    triggers: [options.digests.trigger],
    reconcile: (revision, context) =>
      new Pass(revision, context, { ...options, ages, config: asOfNow(options.config) }).run(),
    forget(key) {
      options.digests.forget(key);
      ages.forget(key);
    },
  });
}

function revisionOfPod({ metadata }: Pod): Key[] {
  const name = metadata.labels?.[servingKeys.revision];
  return name === undefined ? [] : [{ namespace: metadata.namespace ?? '', name }];
}

/** One reconcile of one Revision; each step may say that the next must wait. */
class Pass {
  readonly #revision: Revision;
  readonly #context: Context;
  readonly #options: Parts;
  readonly #conditions: Conditions;

  constructor(revision: Revision, context: Context, options: Parts) {
    this.#revision = revision;
    this.#context = context;
    this.#options = options;
    this.#conditions = new Conditions({
      set: Revision.conditions,
      previous: revision.status?.conditions,
      now: context.clock.now(),
    });
  }

  async run(): Promise<Outcome<Status>> {
    const digests = this.#digests();
    if ('againAfterMs' in digests) {
      await this.#tellMissing();
      return { status: this.#status({}), againAfterMs: digests.againAfterMs };
    }
    if ('isPending' in digests) return { status: this.#status({}) };
    const { containerStatuses, initContainerStatuses } = digests;
    const resolved = {
      ...(containerStatuses && { containerStatuses }),
      ...(initContainerStatuses && { initContainerStatuses }),
    };
    const made = await this.#children(resolved);
    if (made instanceof ApiError) return this.#failed(resolved, made);
    const { actualScale, desiredScale } = made.status ?? {};
    const status = this.#status({
      ...resolved,
      ...(actualScale !== undefined && { actualReplicas: actualScale }),
      ...(desiredScale !== undefined && desiredScale >= 0 && { desiredReplicas: desiredScale }),
    });
    await this.#tellWhenReady();
    return { status };
  }

  /** Or why not all of them are there: that one of that name is somebody else's, for one. */
  async #children(resolved: Status): Promise<PodAutoscaler | ApiError> {
    try {
      const deployment = await this.#deployment(resolved);
      const autoscaler = await this.#podAutoscaler(deployment);
      // Nobody waits for these, so they come last.
      await ensureImages(this.#context.client, this.#revision, resolved);
      return autoscaler;
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
  }

  /** Digests are told all the same, so that nobody asks registries for them again at each attempt. */
  #failed(resolved: Status, failure: ApiError): Outcome<Status> {
    const { metadata, status } = this.#revision;
    const isObserved = status?.observedGeneration === metadata.generation;
    // What is known to be wrong says more than that not all could be looked at.
    if (!isObserved && !this.#conditions.isFalse('Ready')) this.#conditions.markUnobserved();
    const { actualReplicas, desiredReplicas } = status ?? {};
    const replicas = {
      ...(actualReplicas !== undefined && { actualReplicas }),
      ...(desiredReplicas !== undefined && { desiredReplicas }),
    };
    return { status: this.#status({ ...resolved, ...replicas }), failure };
  }

  /** What the status already says, else what the resolver has found out; once and for all of them together. */
  #digests(): Status | { readonly againAfterMs: number } | { readonly isPending: true } {
    const { status, spec } = this.#revision;
    if (status?.containerStatuses) return status;
    // At each look, not only after a failure, so that its age is counted from when its time stamp was written.
    const retryMs = this.#digestRetryMs();
    const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
    const images = new Map(containers.map(({ name = '', image = '' }) => [name, image]));
    const { digests } = this.#options;
    const { signal } = this.#context;
    const { deployment: settings } = this.#options.config.settings();
    const resolution = digests.take(this.#revision, images, { settings, signal });
    if (resolution.state === 'pending') {
      markResolvingDigests(this.#conditions);
      return { isPending: true };
    }
    if (resolution.state === 'failed') {
      markContainerMissing(this.#conditions, resolution);
      return { againAfterMs: retryMs };
    }
    const digestsOf = (of: typeof spec.containers): { name: string; imageDigest: string }[] =>
      (of ?? []).map(({ name = '' }) => ({
        name,
        imageDigest: resolution.digests.get(name) ?? '',
      }));
    return {
      containerStatuses: digestsOf(spec.containers),
      ...(spec.initContainers && { initContainerStatuses: digestsOf(spec.initContainers) }),
    };
  }

  /** As long again as it has failed so far, 1 s to 1000 s: an exponential back-off that survives a restart. */
  #digestRetryMs(): number {
    const type = 'ContainerHealthy';
    const { clock } = this.#context;
    if (conditionOf(this.#revision, type)?.status !== 'False') return 1_000;
    const failedForMs = this.#options.ages.ageMs(this.#revision, { type, clock });
    return Math.min(1_000_000, Math.max(1_000, failedForMs));
  }

  async #deployment(resolved: Status): Promise<Deployment> {
    const { client } = this.#context;
    const { deployment: settings, autoscaler } = this.#options.config.settings();
    const { name, namespace } = placeOf(this.#revision.metadata);
    const ref = { namespace, name: deploymentName(name) };
    const existing = await client.get(Deployment, ref);
    if (existing && !isOwnedBy(existing, this.#revision)) {
      throw this.#notOwned(Deployment, ref.name);
    }
    const { initialScale } = parseScaleAnnotations(this.#revision.metadata.annotations);
    const statuses = [
      ...(resolved.containerStatuses ?? []),
      ...(resolved.initContainerStatuses ?? []),
    ];
    const desired = desiredDeployment({
      revision: this.#revision,
      digests: new Map(
        statuses.flatMap(({ name: container = '', imageDigest = '' }) =>
          imageDigest === '' ? [] : [[container, imageDigest]],
        ),
      ),
      gateway: this.#options.config,
      settings,
      ...(!existing && { replicas: initialScaleOf(initialScale, autoscaler) }),
    });
    if (!existing) markDeploying(this.#conditions);
    const trial = `failed to ${existing ? 'update' : 'create'} deployment "${ref.name}"`;
    const applied = await tried(trial, () => client.apply(Deployment, desired));
    const pod = isWithoutAvailablePods(applied) ? await this.#onePod(client) : undefined;
    const { isAlwaysSchedulable } = settings;
    markDeployment(this.#conditions, applied, { pod, isAlwaysSchedulable });
    return applied;
  }

  async #onePod(client: Client): Promise<Pod | undefined> {
    const { uid = '', namespace = '' } = this.#revision.metadata;
    const labelSelector = `${servingKeys.revisionUid}=${uid}`;
    const { items } = await client.list(Pod, { namespace, labelSelector });
    return items.find((pod) => pod.metadata.deletionTimestamp === undefined);
  }

  async #podAutoscaler(deployment: Deployment): Promise<PodAutoscaler> {
    const { client } = this.#context;
    const existing = await client.get(PodAutoscaler, placeOf(this.#revision.metadata));
    const desired = desiredPodAutoscaler(this.#revision, { deployment, existing });
    const settings = this.#options.config.settings();
    const called = `PA "${desired.metadata.name}"`;
    const says = { create: `failed to create ${called}`, update: `failed to update ${called}` };
    const wanted = { owner: this.#revision, desired, settings, says };
    const ensured = await ensureOwned(client, PodAutoscaler, wanted);
    if (!ensured) throw this.#notOwned(PodAutoscaler, desired.metadata.name ?? '');
    markPodAutoscaler(this.#conditions, ensured);
    return ensured;
  }

  #notOwned(kind: Kind, name: string): ApiError {
    markNotOwned(this.#conditions, kind.kind, name);
    return doesNotOwn(this.#revision, kind, { name });
  }

  #status(found: Status): Status {
    const { generation, uid = '' } = this.#revision.metadata;
    const { revisionUrlTemplate } = this.#options.config.settings().observability;
    const logUrl = revisionUrlTemplate.replaceAll('${REVISION_UID}', uid);
    return {
      ...found,
      ...(logUrl !== '' && { logUrl }),
      ...(generation !== undefined && { observedGeneration: generation }),
      conditions: this.#conditions.list(),
    };
  }

  /** Once for each reason. */
  async #tellMissing(): Promise<void> {
    const { message = '' } = this.#conditions.get('ContainerHealthy') ?? {};
    if (message === conditionOf(this.#revision, 'ContainerHealthy')?.message) return;
    await recordEvent(this.#context, this.#revision, {
      type: 'Warning',
      reason: 'InternalError',
      message,
      component: 'revision-controller',
    });
  }

  async #tellWhenReady(): Promise<void> {
    const wasReady = conditionOf(this.#revision, 'Ready')?.status === 'True';
    if (wasReady || !this.#conditions.isTrue('Ready')) return;
    await recordEvent(this.#context, this.#revision, {
      type: 'Normal',
      reason: 'RevisionReady',
      message: 'Revision becomes ready upon all resources being ready',
      component: 'revision-controller',
    });
  }
}
