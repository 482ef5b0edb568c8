import { Deployment } from '#api/apps-v1/deployment.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { childName } from '#api/meta/child-name.ts';
import { isReady } from '#api/meta/conditions.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Client } from '#client/client.ts';
import { connect } from '../cluster.ts';
import type { Invocation } from '../invocation.ts';
import { bad, dim, good, print, printJson, UserError } from '../terminal.ts';
import { explain, type Explanation, type Found, type Link, type Warning } from './explanation.ts';

export interface WhyFlags {
  readonly namespace: string;
  readonly output?: 'json';
}

interface Report extends Explanation {
  /** Warnings about the pod, newest last. */
  readonly events: readonly string[];
  /** What the failing container wrote last, or, without pods, what those before wrote. */
  readonly lastWords: readonly string[];
}

const EVENTS_MAX = 3;
const LINES_MAX = 10;
/** Of one word of a program that prints no line ends. */
const LINE_CHARACTERS_MAX = 400;

/** `knode why`: one screen that says why a Service is not Ready, or has the pods it has. */
export async function why(invocation: Invocation, name: string, flags: WhyFlags): Promise<void> {
  await using cluster = connect(invocation);
  const { client } = cluster;
  const found = await find(client, { namespace: flags.namespace, name });
  const explanation = explain(found);
  const report = { ...explanation, ...(await words(client, found, explanation)) };
  if (flags.output === 'json') printJson(report);
  else show(name, report);
}

async function find(
  client: Client,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<Found> {
  const ref = { namespace, name };
  const service = await client.get(Service, ref);
  if (!service) {
    throw new UserError(
      `There is no Service ${name} in namespace ${namespace}; \`knode list -A\` shows those there are.`,
    );
  }
  const [configuration, route, ingress] = await Promise.all([
    client.get(Configuration, ref),
    client.get(Route, ref),
    client.get(Ingress, { namespace, name: childName(name, '') }),
  ]);
  const byRoute = `${servingKeys.route}=${name}`;
  const asked = { namespace, labelSelector: byRoute };
  const { items: certificates } = await client.list(Certificate, asked);
  const looked =
    (isReady(service) && busiest(route)) || configuration?.status?.latestCreatedRevisionName;
  if (!looked) return { service, configuration, route, ingress, certificates, pods: [] };
  const labelSelector = `${servingKeys.revision}=${looked}`;
  const [revision, warnings, autoscaler, { items: deployments }, { items: pods }] =
    await Promise.all([
      client.get(Revision, { namespace, name: looked }),
      warningsOf(client, { kind: 'Revision', namespace, name: looked }),
      client.get(PodAutoscaler, { namespace, name: looked }),
      client.list(Deployment, { namespace, labelSelector }),
      client.list(Pod, { namespace, labelSelector }),
    ]);
  const [deployment] = deployments;
  const above = { service, configuration, route, ingress, certificates };
  return { ...above, revision, warning: warnings.at(-1), autoscaler, deployment, pods };
}

/** The revision with the largest share; of equal ones the newest. */
function busiest(route: Route | undefined): string | undefined {
  const shares = route?.status?.traffic ?? [];
  return shares.toSorted((a, b) => (a.percent ?? 0) - (b.percent ?? 0)).at(-1)?.revisionName;
}

/** Newest last. */
async function warningsOf(
  client: Client,
  {
    kind,
    namespace,
    name,
  }: { readonly kind: string; readonly namespace: string; readonly name: string },
): Promise<readonly Warning[]> {
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name},type=Warning`;
  const { items } = await client.list(Event, { namespace, fieldSelector });
  const saidAt = ({ lastTimestamp, eventTime, metadata }: Event): string =>
    lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '';
  return items
    .toSorted((a, b) => (saidAt(a) < saidAt(b) ? -1 : 1))
    .map(({ reason = '', message = '' }) => ({ reason, message }));
}

async function words(
  client: Client,
  { service, revision }: Found,
  { pod, isReady }: Explanation,
): Promise<Pick<Report, 'events' | 'lastWords'>> {
  const { namespace = '' } = service.metadata;
  if (!pod) {
    const lastWords = isReady || !revision ? [] : await gone(client, revision);
    return { events: [], lastWords };
  }
  const { container, isPrevious = false } = pod.trouble;
  const warnings = await warningsOf(client, { kind: 'Pod', namespace, name: pod.name });
  const events = warnings.map(({ reason, message }) => `${reason}: ${message}`).slice(-EVENTS_MAX);
  if (container === undefined) return { events, lastWords: [] };
  const ref = { namespace, name: pod.name };
  const options = { container, tailLines: LINES_MAX, previous: isPrevious };
  return { events, lastWords: await lines(client.log(Pod, ref, { ...options, ...ending() })) };
}

/** The last words of the revision's pods that are no more. */
async function gone(client: Client, revision: Revision): Promise<readonly string[]> {
  const { namespace = '', name = '' } = revision.metadata;
  const labelSelector = `${servingKeys.revision}=${name}`;
  const { items } = await client.list(ReplicaSet, { namespace, labelSelector });
  for (const { metadata } of items) {
    const ref = { namespace, name: metadata.name ?? '' };
    const found = await lines(client.log(ReplicaSet, ref, { tailLines: LINES_MAX, ...ending() }));
    if (found.length > 0) return found;
  }
  return [];
}

function ending(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(5_000) };
}

/** Empty where there is no log (any more): the reason is told all the same. */
async function lines(log: AsyncIterable<Uint8Array>): Promise<readonly string[]> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of log) chunks.push(chunk);
  } catch {
    return [];
  }
  const text = Buffer.concat(chunks).toString();
  const all = text.split('\n').filter((line) => line.trim() !== '');
  return all.slice(-LINES_MAX).map((line) => line.slice(0, LINE_CHARACTERS_MAX));
}

function show(name: string, report: Report): void {
  const { chain, events, lastWords, scale, next } = report;
  print(`Service ${name} is ${report.isReady ? good('ready') : bad('not ready')}. ${scale}`);
  print();
  chain.forEach((one, depth) => showLink(one, { depth, below: chain[depth + 1] }));
  showBlock('What happened to the pod:', events);
  showBlock('Its last words:', lastWords);
  print();
  print(`${dim('Next:')} ${next}`);
}

function showLink(
  { kind, name, state, reason, message }: Link,
  { depth, below }: { readonly depth: number; readonly below: Link | undefined },
): void {
  const indent = depth === 0 ? '' : `${'   '.repeat(depth - 1)}└─ `;
  const mark = { ready: good('✔'), waiting: '…', failed: bad('✖') }[state];
  print(`${indent}${mark} ${kind} ${name}${reason ? `  ${bad(reason)}` : ''}`);
  // What the next one says itself is not said twice.
  const isRepeated = below !== undefined && below.message !== '' && message.includes(below.message);
  if (message && !isRepeated) print(`${'   '.repeat(depth)}  ${printable(message)}`);
}

function showBlock(title: string, all: readonly string[]): void {
  if (all.length === 0) return;
  print();
  print(title);
  for (const line of all) print(`  ${printable(line)}`);
}

/** Programs may print what would drive the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}
