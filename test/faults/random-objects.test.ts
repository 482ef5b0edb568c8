import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import { coreKinds, servingKinds, viewKinds } from '#api/kinds.ts';
import { prefixOf } from '#apiserver/stored-object.ts';
import { boundedMs, reportFault, scaled } from '#test/support/fault-report.ts';
import {
  Chance,
  mutated,
  randomValue,
  schemaAt,
  stepsOf,
  type Fields,
} from '#test/support/random-object.ts';
import { at, startWire, type Wire, type WireReply } from '#test/support/wire.ts';

/*
 * What the server complains of is mended by its own words, the paths of its Status, until it takes the object: so random
 * objects become valid ones without a second opinion of what is valid.
 */

const CASES = scaled(10_000);
/** Of each kind. */
const LIMIT_MS = boundedMs(1_500);
const SEED = Number(process.env['KNODE_FAULTS_SEED'] ?? 31);
/** Rounds of mending; after half of them whole branches go, at the end all but what the kind needs. */
const ROUNDS_MAX = 24;
const METADATA = { $ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' };
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
const PARTIAL = { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' };

for (const kind of [...coreKinds, ...viewKinds, ...servingKinds]) {
  const name = `${kind.plural}.${kind.version}${kind.group && `.${kind.group}`}`;
  test(`F31: random ${name} are kept as they are, and no change of them is an internal error`, async () => {
    const failures: unknown[] = [];
    await using wire = await startWire({ log: failureLog(failures) });
    const subject = new Subject(wire, kind, failures);
    const startMs = performance.now();
    let count = 0;
    for (; count < CASES && performance.now() - startMs < LIMIT_MS; count += 1) {
      await subject.check();
    }
    assert.ok(subject.fields > 3 * count, 'enough in them to prove anything');
    reportFault({
      id: 'F31',
      what: `random ${name} (seed ${SEED})`,
      count,
      found: `all round-trip, ${subject.fields} fields; ${subject.changes} changes, ${subject.refused} refused, 0 internal errors`,
    });
  });
}

/** One kind, asked about again and again. */
class Subject {
  fields = 0;
  changes = 0;
  refused = 0;
  readonly #wire: Wire;
  readonly #kind: Kind;
  readonly #failures: readonly unknown[];
  readonly #chance = new Chance(seededRandom(SEED));
  readonly #collection: string;
  readonly #target: string;

  constructor(wire: Wire, kind: Kind, failures: readonly unknown[]) {
    this.#wire = wire;
    this.#kind = kind;
    this.#failures = failures;
    const base = kind.group === '' ? `/api/${kind.version}` : `/apis/${apiVersionOf(kind)}`;
    const scope = kind.scope === 'Namespaced' ? '/namespaces/default' : '';
    this.#collection = `${base}${scope}/${kind.plural}`;
    this.#target = `${this.#collection}/${nameOf(kind)}`;
  }

  async check(): Promise<void> {
    const sent = await this.#validObject();
    this.fields += leavesOf(sent).length;
    const stored = await this.#roundTrip(sent);
    await this.#apply(sent);
    await this.#change(stored);
    await this.#clean();
  }

  /** Creates one, so that it is valid; what was sent is returned. */
  async #validObject(): Promise<Fields> {
    const object = this.#random();
    for (let round = 0; ; round += 1) {
      const target = `${this.#collection}?fieldValidation=Strict`;
      const reply = await this.#send('POST', target, object);
      // What is no JSON, such as a field of a list, was never sent.
      if (reply.status === 201) return JSON.parse(JSON.stringify(object)) as Fields;
      assert.ok(round < ROUNDS_MAX, `never valid: ${textOf(object)}: ${textOf(reply.body)}`);
      this.#mend(object, reply, round);
    }
  }

  #random(): Fields {
    const { schema } = this.#kind;
    const { metadata: _, ...body } = randomValue(schema, this.#chance) as Fields;
    const { labels, annotations } = randomValue(METADATA, this.#chance) as Fields;
    const metadata = {
      name: nameOf(this.#kind),
      ...(labels !== undefined && { labels }),
      ...(annotations !== undefined && { annotations }),
    };
    const needed = neededOf(this.#kind);
    const own = { apiVersion: apiVersionOf(this.#kind), kind: this.#kind.kind };
    return overlaid({ ...body, ...own, metadata }, needed) as Fields;
  }

  /** By what the Status complains of; where it names no path, or goes on complaining, by leaving more and more out. */
  #mend(object: Fields, reply: WireReply, round: number): void {
    const causes = (at(reply.body, 'details.causes') ?? []) as readonly Cause[];
    const isLast = round >= ROUNDS_MAX - 2;
    if (isLast || causes.length === 0) {
      this.#thin(object, isLast ? 0 : 0.5);
      return;
    }
    for (const { field, reason } of causes) {
      const steps = stepsOf(field ?? '');
      const kept = round < ROUNDS_MAX / 2 ? steps : steps.slice(0, -1 - this.#chance.below(2));
      this.#replace(object, kept, { isMissing: reason === 'FieldValueRequired' });
    }
  }

  /** Leaves in it this share of what the kind can do without. */
  #thin(object: Fields, share: number): void {
    const { metadata, spec } = object;
    for (const fields of [object, spec, metadata]) {
      if (typeof fields !== 'object' || fields === null) continue;
      for (const name of Object.keys(fields)) {
        const isFixed = FIXED.includes(name) || name === 'name';
        if (!isFixed && this.#chance.fraction() >= share) delete (fields as Fields)[name];
      }
    }
    Object.assign(object, overlaid(object, neededOf(this.#kind)));
  }

  #replace(
    object: Fields,
    steps: readonly string[],
    { isMissing }: { readonly isMissing: boolean },
  ): void {
    const [first = '', second = ''] = steps;
    if (first === 'metadata') {
      const metadata = object[first] as Fields;
      if (second !== 'name') delete metadata[second];
      return;
    }
    const last = steps.at(-1);
    if (last === undefined || FIXED.includes(first)) return;
    const fields = holderOf(object, steps);
    const schema = schemaAt(this.#kind.schema, steps);
    if (schema && (isMissing || this.#chance.below(2) === 0)) {
      fields[last] = randomValue(schema, this.#chance, { field: last, depth: steps.length });
    } else if (Array.isArray(fields)) fields.splice(Number(last), 1);
    else delete fields[last];
  }

  async #roundTrip(sent: Fields): Promise<Fields> {
    const got = await this.#get();
    const missing = leavesOf(sent).filter(({ path, value }) => !isKept(got, path, value));
    const written = missing.filter(({ path }) => !this.#isNotForAuthors(sent, path));
    assert.deepEqual(written, [], `lost: ${textOf(written)}: ${textOf(got)}`);
    const again = await this.#send('PUT', this.#target, got);
    assert.deepEqual(again.body, got, 'written again, it is the same');
    if (this.#chance.below(4) > 0) return got;
    for (const accept of [TABLE, PARTIAL]) {
      for (const target of [this.#target, this.#collection]) {
        const shown = await this.#send('GET', target, undefined, accept);
        assert.equal(shown.status, 200, textOf(shown.body));
      }
    }
    return got;
  }

  #isNotForAuthors(sent: Fields, path: readonly string[]): boolean {
    const text = path.join('.');
    const plain = sent['stringData'] ?? {};
    if (path[0] === 'data' && Object.hasOwn(plain, path[1] ?? '')) return true;
    if (NOT_FOR_AUTHORS.some((pattern) => pattern.test(text))) return true;
    return path[0] === 'status' && this.#kind.subresources.includes('status');
  }

  async #apply(sent: Fields): Promise<void> {
    const target = `${this.#target}?fieldManager=author&force=true`;
    const apply = async (): Promise<WireReply> =>
      await this.#patch(target, sent, 'apply-patch+yaml');
    const first = await apply();
    // A list that is a map by its keys takes an entry of each key once here, as everywhere in apply.
    if (first.status >= 400) return this.#countRefusal(first);
    const second = await apply();
    assert.deepEqual(second.body, first.body, 'applied again, it is the same');
  }

  /** Changes it by every way there is; only the Status of a refusal, or a change that is there, will do. */
  async #change(stored: Fields): Promise<void> {
    const chance = this.#chance;
    const { kind } = this.#kind;
    const other = { ...(randomValue(this.#kind.schema, chance) as Fields), kind };
    const replies = [
      await this.#send('PUT', this.#target, mutated(stored, chance)),
      await this.#patch(this.#target, other, 'merge-patch+json'),
      await this.#patch(this.#target, mutated(other, chance), 'merge-patch+json'),
      await this.#patch(this.#target, mutated(other, chance), 'strategic-merge-patch+json'),
      await this.#patch(this.#target, this.#operations(stored), 'json-patch+json'),
      await this.#patch(
        `${this.#target}?fieldManager=other${chance.pick(['', '&force=true'])}`,
        mutated({ ...other, apiVersion: apiVersionOf(this.#kind) }, chance),
        'apply-patch+yaml',
      ),
      await this.#send('PUT', `${this.#target}/status`, mutated(stored, chance)),
      await this.#patch(`${this.#target}/status`, mutated(other, chance), 'merge-patch+json'),
      await this.#patch(`${this.#target}/scale`, mutated(SCALE, chance), 'merge-patch+json'),
      await this.#send('GET', this.#collection, undefined, TABLE),
      await this.#send('DELETE', this.#target, mutated(DELETE, chance)),
    ];
    await this.#clean();
    replies.push(await this.#send('POST', this.#collection, mutated(stored, chance)));
    replies.push(await this.#send('GET', this.#collection, undefined, TABLE));
    for (const reply of replies) this.#countRefusal(reply);
  }

  #operations(stored: Fields): readonly unknown[] {
    const pointers = leavesOf(stored).map(({ path }) => `/${path.map(escaped).join('/')}`);
    const value = randomValue(this.#kind.schema, this.#chance);
    return Array.from({ length: 1 + this.#chance.below(3) }, () => ({
      op: this.#chance.pick(['add', 'remove', 'replace', 'move', 'copy', 'test']),
      path: this.#chance.pick(pointers),
      from: this.#chance.pick(pointers),
      value,
    }));
  }

  #countRefusal({ status, body }: WireReply): void {
    this.changes += 1;
    if (status < 400) return;
    this.refused += 1;
    assert.equal(at(body, 'kind'), 'Status');
  }

  async #get(): Promise<Fields> {
    const { status, body } = await this.#send('GET', this.#target);
    assert.equal(status, 200);
    return body as Fields;
  }

  #patch(target: string, body: unknown, type: string): Promise<WireReply> {
    return this.#send('PATCH', target, body, { 'content-type': `application/${type}` });
  }

  async #send(
    method: string,
    target: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<WireReply> {
    const reply = await this.#wire.send(method, target, body, { headers });
    if (reply.status >= 500) {
      assert.fail(
        `seed ${SEED}: ${method} ${target} ${textOf(headers)} ${textOf(body)}: ${reply.status} ${textOf(reply.body)} ${this.#failures.map(String).join('\n')}`,
      );
    }
    return reply;
  }

  /** Whatever finalizers it may have. */
  async #clean(): Promise<void> {
    const { store } = this.#wire;
    const { entries } = await store.list(prefixOf(this.#kind, 'default'));
    for (const { key, modified } of entries) {
      if (!key.endsWith('/namespaces/default')) await store.delete(key, modified);
    }
  }
}

/** A definition's name follows from what it defines. */
const nameOf = ({ kind }: Kind): string =>
  kind === 'CustomResourceDefinition' ? 'subjects.example.com' : 'subject';
const FIXED: readonly string[] = ['apiVersion', 'kind', 'metadata'];
/** What Kubernetes takes from nobody, or turns into something else. */
const NOT_FOR_AUTHORS = [
  /^stringData\./,
  // An older word for serviceAccountName, of which it becomes a copy.
  /\.serviceAccount$/,
  /^spec\.volumeClaimTemplates\.\d+\.(status\..*|apiVersion|kind)$/,
];
const SCALE = { spec: { replicas: 2 } };
const DELETE = {
  kind: 'DeleteOptions',
  apiVersion: 'v1',
  gracePeriodSeconds: 0,
  propagationPolicy: 'Background',
  preconditions: { uid: 'a' },
};

const POD = { containers: [{ name: 'main', image: 'sample:v1' }] };
const LABELS = { app: 'a' };
const REPLICATED = {
  spec: {
    selector: { matchLabels: LABELS },
    template: { metadata: { labels: LABELS }, spec: POD },
  },
};
const ONCE = { template: { spec: { ...POD, restartPolicy: 'Never' } } };
const REFERENCE = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'a' };
const HOOK = {
  webhooks: [
    {
      name: 'a.example.com',
      clientConfig: { url: 'https://example.com/a' },
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    },
  ],
};

const DEFINITION = {
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'subjects', kind: 'Subject' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object' } },
      },
    ],
  },
};
const REVISION = { containers: [{ image: 'sample:v1' }] };

/** What an object of the kind cannot do without; all the rest is left to chance. */
const NEEDED: Readonly<Record<string, Fields>> = {
  Pod: { spec: POD },
  PodTemplate: { template: { metadata: {}, spec: POD } },
  Deployment: REPLICATED,
  ReplicaSet: REPLICATED,
  StatefulSet: REPLICATED,
  DaemonSet: REPLICATED,
  Job: { spec: ONCE },
  CronJob: { spec: { schedule: '@daily', jobTemplate: { spec: ONCE } } },
  Service: { spec: { ports: [{ port: 80 }] } },
  CustomResourceDefinition: DEFINITION,
  PersistentVolume: {
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      hostPath: { path: '/data' },
    },
  },
  PersistentVolumeClaim: {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
  HorizontalPodAutoscaler: {
    spec: {
      maxReplicas: 3,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' },
    },
  },
  StorageClass: { provisioner: 'example.com/a' },
  IngressClass: { spec: { controller: 'example.com/a' } },
  RoleBinding: { roleRef: REFERENCE },
  ClusterRoleBinding: { roleRef: REFERENCE },
  MutatingWebhookConfiguration: HOOK,
  ValidatingWebhookConfiguration: HOOK,
};

/** The same of kinds whose names others have too. */
const NEEDED_OF_GROUP: Readonly<Record<string, Fields>> = {
  'Event.events.k8s.io': {
    eventTime: '2026-01-02T03:04:05.000000Z',
    reportingController: 'example.com/a',
    reportingInstance: 'a',
    action: 'Act',
    reason: 'Because',
    type: 'Normal',
  },
  'Ingress.networking.k8s.io': {
    spec: { defaultBackend: { service: { name: 'a', port: { number: 80 } } } },
  },
  'Ingress.networking.internal.knative.dev': {
    spec: {
      rules: [
        {
          hosts: ['a.example.com'],
          visibility: 'ExternalIP',
          http: {
            paths: [
              {
                splits: [
                  { serviceNamespace: 'default', serviceName: 'a', servicePort: 80, percent: 100 },
                ],
              },
            ],
          },
        },
      ],
    },
  },
  'Service.serving.knative.dev': { spec: { template: { spec: REVISION } } },
  'Configuration.serving.knative.dev': { spec: { template: { spec: REVISION } } },
  'Revision.serving.knative.dev': { spec: REVISION },
  'Route.serving.knative.dev': {
    spec: { traffic: [{ configurationName: 'a', percent: 100, latestRevision: true }] },
  },
};

function neededOf({ kind, group }: Kind): Fields {
  return NEEDED_OF_GROUP[`${kind}.${group}`] ?? NEEDED[kind] ?? {};
}

/** `needed` wins; lists are laid over each other by their places. */
function overlaid(value: unknown, needed: unknown): unknown {
  if (typeof needed !== 'object' || needed === null) return needed;
  if (Array.isArray(needed)) {
    const items = Array.isArray(value) ? value : [];
    return needed.map((item, index) => overlaid(items[index], item));
  }
  const fields = typeof value === 'object' && value !== null ? (value as Fields) : {};
  const inner = Object.entries(needed).map(([name, each]) => [name, overlaid(fields[name], each)]);
  return { ...fields, ...(Object.fromEntries(inner) as Fields) };
}

interface Cause {
  readonly field?: string;
  readonly reason?: string;
}

interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** What is in it that is not itself made of fields or items; what is empty counts for nothing. */
function leavesOf(value: unknown, path: readonly string[] = []): Leaf[] {
  if (typeof value !== 'object' || value === null) {
    const isZero = value === null || value === '' || value === 0 || value === false;
    return isZero ? [] : [{ path, value }];
  }
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, [...path, name]));
}

/** As it was written, or in the one form that its type has: `1500m` is `1.5`, a time is in UTC. */
function isKept(object: unknown, path: readonly string[], value: unknown): boolean {
  const found = valueAt(object, path);
  if (isDeepStrictEqual(found, value)) return true;
  return typeof found === 'string' && /^[-\d]/.test(found) && /^[-\d.]/.test(String(value));
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  let found = object;
  for (const step of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Fields)[step];
  }
  return found;
}

/** Who holds what is at these steps; what is not there on the way is made. */
function holderOf(object: Fields, steps: readonly string[]): Fields {
  let holder = object;
  for (const step of steps.slice(0, -1)) {
    const inner = holder[step];
    const next = typeof inner === 'object' && inner !== null ? (inner as Fields) : {};
    holder[step] = next;
    holder = next;
  }
  return holder;
}

function escaped(step: string): string {
  return step.replaceAll('~', '~0').replaceAll('/', '~1');
}

function textOf(value: unknown): string {
  return (JSON.stringify(value) ?? '').slice(0, 3_000);
}

/** Keeps what the server says of its own failures. */
function failureLog(failures: unknown[]): Log {
  const log: Log = {
    info: () => undefined,
    warn: () => undefined,
    error(_message, fields) {
      const error = fields?.['error'];
      failures.push(error instanceof Error ? error.stack : error);
    },
    with: () => log,
  };
  return log;
}
