import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { FakeClock } from '#base/fake-clock.ts';
import type { Log } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import { coreKinds, servingKinds, viewKinds } from '#api/kinds.ts';
import { createApiServer } from '#apiserver/api-server.ts';
import { CustomResources } from '#apiserver/custom-resources/custom-resources.ts';
import { prefixOf } from '#apiserver/stored-object.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import { boundedMs, reportFault, scaled } from '#test/support/fault-report.ts';
import { Chance, mutated, randomValue, type Fields } from '#test/support/random-object.ts';
import { collectionOf, ValidObjects } from '#test/support/valid-objects.ts';
import { at, startWire, wireOf, type Wire, type WireReply } from '#test/support/wire.ts';

const CASES = scaled(10_000);
/** Of each kind. */
const LIMIT_MS = boundedMs(1_500);
const SEED = Number(process.env['KNODE_FAULTS_SEED'] ?? 31);
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
const PARTIAL = { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' };

for (const kind of [...coreKinds, ...viewKinds, ...servingKinds]) {
  test(titleOf(kind), async () => {
    const failures: unknown[] = [];
    await using wire = await startWire({ log: failureLog(failures) });
    await checkMany(new Subject(wire, kind, failures), kind);
  });
}

test('F31: the same of a custom resource, whose schema says all that one can', async () => {
  const failures: unknown[] = [];
  const stop = new AbortController();
  const parts = { clock: new FakeClock(), log: failureLog(failures), signal: stop.signal };
  const store = await openMemoryStore();
  const kinds = await CustomResources.open({ ...parts, store, builtIn: coreKinds });
  const server = createApiServer({ ...parts, store, kinds, random: seededRandom(SEED) });
  await using wire = await wireOf(server, { ...parts, store });
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const { body } = await wire.send('POST', definitions, DEFINITION);
  const from = String(at(body, 'metadata.resourceVersion'));
  const isEstablished = /"type":"Established","status":"True"/;
  for await (const event of wire.watch(`${definitions}?watch=1&resourceVersion=${from}`)) {
    if (isEstablished.test(JSON.stringify(event))) break;
  }
  const kind = kinds.current().find(({ plural }) => plural === 'subjects');
  assert.ok(kind, 'it is served');
  await checkMany(new Subject(wire, kind, failures), kind);
  stop.abort();
});

function titleOf(kind: Kind): string {
  return `F31: random ${nameOfKind(kind)} are kept as they are, and no change of them is an internal error`;
}

function nameOfKind({ plural, version, group }: Kind): string {
  return `${plural}.${version}${group && `.${group}`}`;
}

async function checkMany(subject: Subject, kind: Kind): Promise<void> {
  const startMs = performance.now();
  let count = 0;
  for (; count < CASES && performance.now() - startMs < LIMIT_MS; count += 1) await subject.check();
  assert.ok(subject.fields > 3 * count, 'enough in them to prove anything');
  reportFault({
    id: 'F31',
    what: `random ${nameOfKind(kind)} (seed ${SEED})`,
    count,
    found: `all round-trip, ${subject.fields} fields; ${subject.changes} changes, ${subject.refused} refused, 0 internal errors`,
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
  readonly #objects: ValidObjects;
  readonly #collection: string;
  readonly #target: string;

  constructor(wire: Wire, kind: Kind, failures: readonly unknown[]) {
    this.#wire = wire;
    this.#kind = kind;
    this.#failures = failures;
    const post = (target: string, object: Fields) => this.#send('POST', target, object);
    this.#objects = new ValidObjects(kind, { chance: this.#chance, post });
    this.#collection = collectionOf(kind);
    this.#target = `${this.#collection}/${nameOf(kind)}`;
  }

  async check(): Promise<void> {
    const sent = await this.#objects.create(nameOf(this.#kind));
    this.fields += leavesOf(sent).length;
    const stored = await this.#roundTrip(sent);
    await this.#apply(sent);
    await this.#change(stored);
    await this.#clean();
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

/** A definition's name follows from what it defines; a DomainMapping's is the domain. */
const NAMES: Readonly<Record<string, string>> = {
  CustomResourceDefinition: 'subjects.example.com',
  DomainMapping: 'subject.example.com',
};
const nameOf = ({ kind }: Kind): string => NAMES[kind] ?? 'subject';

/** What Kubernetes takes from nobody, or turns into something else. */
const NOT_FOR_AUTHORS = [
  /^stringData\./,
  // What a container's restart policy may be beside Always, and where, is behind a feature gate that is off.
  /ontainers\.\d+\.restartPolicy$/,
  // Of features that are off in Kubernetes unless asked for.
  /^spec\.(preferredHolder|strategy)$/,
  // One below 0 becomes 1.
  /(^|\.)terminationGracePeriodSeconds$/,
  // An older word for dataSourceRef, which drops what is no claim and no snapshot.
  /^spec\.dataSource\./,
  // An older word for serviceAccountName, of which it becomes a copy.
  /\.serviceAccount$/,
  // Dropped where the affinity is none.
  /^spec\.sessionAffinityConfig\./,
  /^spec\.volumeClaimTemplates\.\d+\.(status\..*|apiVersion|kind)$/,
];
const SCALE = { spec: { replicas: 2 } };
const string = { type: 'string' };
const SCHEMA = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['name'],
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 20, pattern: '^[a-z]' },
        count: { type: 'integer', minimum: 0, maximum: 100, default: 3 },
        ratio: { type: 'number', multipleOf: 0.5 },
        port: { 'x-kubernetes-int-or-string': true },
        mode: { type: 'string', enum: ['A', 'B'], default: 'A' },
        maybe: { type: 'string', nullable: true },
        when: { type: 'string', format: 'date-time' },
        set: { type: 'array', items: string, 'x-kubernetes-list-type': 'set', maxItems: 5 },
        parts: {
          type: 'array',
          items: {
            type: 'object',
            required: ['key'],
            properties: { key: string, on: { type: 'boolean', default: true } },
          },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['key'],
        },
        atomic: { type: 'object', additionalProperties: string, 'x-kubernetes-map-type': 'atomic' },
        counts: { type: 'object', additionalProperties: { type: 'integer', maximum: 9 } },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        whole: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
        replicas: { type: 'integer' },
      },
      'x-kubernetes-validations': [
        { rule: '!has(self.count) || self.count < 90', message: 'too many' },
        { rule: '!has(self.parts) || self.parts.all(part, part.key != "x7")' },
        { rule: 'self.name == oldSelf.name', message: 'a name is kept' },
      ],
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' }, note: string } },
  },
};
const DEFINITION = {
  metadata: { name: 'subjects.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'subjects', singular: 'subject', kind: 'Subject', listKind: 'SubjectList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: SCHEMA },
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        additionalPrinterColumns: [
          { name: 'Count', type: 'integer', jsonPath: '.spec.count' },
          { name: 'Key', type: 'string', jsonPath: '.spec.parts[*].key' },
          { name: 'When', type: 'date', jsonPath: '.spec.when' },
        ],
      },
    ],
  },
};
const DELETE = {
  kind: 'DeleteOptions',
  apiVersion: 'v1',
  gracePeriodSeconds: 0,
  propagationPolicy: 'Background',
  preconditions: { uid: 'a' },
};

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
