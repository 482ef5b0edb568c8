import { LimitRange } from '#api/core-v1/limit-range.ts';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { qosClassOf } from '#api/core-v1/qos-class.ts';
import { podAmounts, type Amounts } from '#api/core-v1/pod-requests.ts';
import type { Container, LimitRangeItem } from '#api/generated/core-v1.ts';
import { forbidden } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { numberOf, parseQuantity, renderQuantity, type Quantity } from '#api/meta/quantity.ts';
import type { AdmissionRequest, AdmissionStep } from '#apiserver/admission/admit.ts';
import { objectOf, prefixOf } from '#apiserver/stored-object.ts';
import type { Store } from '#store/store.ts';

const ANNOTATION = 'kubernetes.io/limit-ranger';

/** What a container, a pod or a claim asks for and may have. */
interface Asked {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

/** Fills in what a namespace's LimitRanges say by default, and refuses what is outside them, in Kubernetes' words. */
export function limitRanger(store: Store): AdmissionStep {
  const itemsFor = async (
    { metadata }: KubeObject,
    { kind, operation, subresource }: AdmissionRequest,
  ): Promise<readonly LimitRangeItem[]> => {
    // A pod's resources stay as they were created.
    if (subresource !== undefined || (kind === Pod && operation === 'UPDATE')) return [];
    const { entries } = await store.list(prefixOf(LimitRange, metadata.namespace));
    return entries.flatMap((entry) => objectOf<LimitRange>(entry).spec?.limits ?? []);
  };
  return {
    handles: (kind) => kind === Pod || kind === PersistentVolumeClaim,
    async admit(object, request) {
      if (request.kind !== Pod) return undefined;
      for (const item of await itemsFor(object, request)) {
        if (item.type === 'Container') fillIn(object as Pod, item);
      }
      const { spec, status } = object as Pod;
      if (spec && status) status.qosClass = qosClassOf(spec);
      return undefined;
    },
    async check(object, request) {
      if (!object) return;
      const { kind } = request;
      const items = await itemsFor(object, request);
      const problems =
        kind === Pod
          ? podProblems(object as Pod, items)
          : claimProblems(object as PersistentVolumeClaim, items);
      if (problems.length === 0) return;
      const why = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`;
      throw forbidden(kind, object.metadata.name ?? '', why ?? '');
    },
  };
}

function podProblems({ spec }: Pod, items: readonly LimitRangeItem[]): string[] {
  if (!spec) return [];
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return items.flatMap((item) => {
    if (item.type === 'Container') {
      return containers.flatMap((container) => problems(item, askedBy(container)));
    }
    if (item.type !== 'Pod') return [];
    const asked = { requests: podAmounts(spec, 'requests'), limits: podAmounts(spec, 'limits') };
    return problems(item, asked);
  });
}

function claimProblems(
  { spec }: PersistentVolumeClaim,
  items: readonly LimitRangeItem[],
): string[] {
  const asked = { requests: amounts(spec?.resources?.requests), limits: new Map() };
  return items
    .filter(({ type }) => type === 'PersistentVolumeClaim')
    .flatMap((item) => problems(item, asked));
}

function fillIn(pod: Pod, { default: limits = {}, defaultRequest = {} }: LimitRangeItem): void {
  const told: string[] = [];
  for (const [role, containers] of [
    ['container', pod.spec?.containers],
    ['init container', pod.spec?.initContainers],
  ] as const) {
    for (const container of containers ?? []) {
      const resources = (container.resources ??= {});
      const requested = missing(resources.requests, defaultRequest);
      const limited = missing(resources.limits, limits);
      if (requested.length > 0) resources.requests = { ...defaultRequest, ...resources.requests };
      if (limited.length > 0) resources.limits = { ...limits, ...resources.limits };
      const of = `for ${role} ${container.name}`;
      if (requested.length > 0) told.push(`${requested.join(', ')} request ${of}`);
      if (limited.length > 0) told.push(`${limited.join(', ')} limit ${of}`);
    }
  }
  if (told.length === 0) return;
  const text = `LimitRanger plugin set: ${told.join('; ')}`;
  pod.metadata.annotations = { ...pod.metadata.annotations, [ANNOTATION]: text };
}

function missing(given: object | undefined, defaults: object): string[] {
  return Object.keys(defaults)
    .filter((name) => !given || !Object.hasOwn(given, name))
    .toSorted();
}

function askedBy({ resources }: Container): Asked {
  return { requests: amounts(resources?.requests), limits: amounts(resources?.limits) };
}

function amounts(values: Readonly<Record<string, string | number>> = {}): Amounts {
  return new Map(Object.entries(values).map(([name, text]) => [name, parseQuantity(text)]));
}

/** One of a resource and a bound, in Kubernetes' order. */
function problems(item: LimitRangeItem, asked: Asked): string[] {
  const { type, min, max, maxLimitRequestRatio } = item;
  const { requests, limits } = asked;
  const least = [...amounts(min)].flatMap(([name, bound]) => {
    const sides: readonly Side[] = [
      ['request', requests.get(name)],
      ['limit', limits.get(name)],
    ];
    const what = `minimum ${name} usage per ${type} is ${renderQuantity(bound)}`;
    return sideProblem(what, sides, ({ nano }) => nano < bound.nano);
  });
  const most = [...amounts(max)].flatMap(([name, bound]) => {
    const request: Side = ['request', requests.get(name)];
    // A claim has no limit: what it asks for is what it gets.
    const limit: readonly Side[] =
      type === 'PersistentVolumeClaim' ? [] : [['limit', limits.get(name)]];
    const what = `maximum ${name} usage per ${type} is ${renderQuantity(bound)}`;
    return sideProblem(what, [...limit, request], ({ nano }) => nano > bound.nano);
  });
  return [...least, ...most, ...ratioProblems(type, maxLimitRequestRatio, asked)];
}

type Side = readonly [name: 'request' | 'limit', amount: Quantity | undefined];

/** The first side must be there. Two spaces before `No`: clients compare these texts. */
function sideProblem(
  what: string,
  sides: readonly Side[],
  isOutside: (amount: Quantity) => boolean,
): string[] {
  const [[first, needed] = []] = sides;
  if (!needed) return [`${what}.  No ${first} is specified`];
  for (const [name, amount] of sides) {
    if (amount && isOutside(amount)) return [`${what}, but ${name} is ${renderQuantity(amount)}`];
  }
  return [];
}

function ratioProblems(
  type: string,
  ratios: LimitRangeItem['maxLimitRequestRatio'],
  { requests, limits }: Asked,
): string[] {
  return [...amounts(ratios)].flatMap(([name, most]) => {
    const what = `${name} max limit to request ratio per ${type} is ${renderQuantity(most)}`;
    const [request, limit] = [requests.get(name), limits.get(name)];
    if (!request || request.nano === 0n) {
      return [`${what}, but no request is specified or request is 0`];
    }
    if (!limit || limit.nano === 0n) return [`${what}, but no limit is specified or limit is 0`];
    const ratio = numberOf(limit) / numberOf(request);
    return ratio > numberOf(most) ? [`${what}, but provided ratio is ${ratio.toFixed(6)}`] : [];
  });
}
