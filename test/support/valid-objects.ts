import assert from 'node:assert/strict';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import {
  randomValue,
  schemaAt,
  stepsOf,
  type Chance,
  type Fields,
} from '#test/support/random-object.ts';
import { at, type WireReply } from '#test/support/wire.ts';

/** Rounds of mending; after half of them whole branches go, at the end all but what the kind needs. */
const ROUNDS_MAX = 24;
const METADATA = { $ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' };
const FIXED: readonly string[] = ['apiVersion', 'kind', 'metadata'];

type Post = (target: string, object: Fields) => Promise<WireReply>;

/** Where objects of the kind are, in the namespace `default` where it has any. */
export function collectionOf(kind: Kind): string {
  const base = kind.group === '' ? `/api/${kind.version}` : `/apis/${apiVersionOf(kind)}`;
  const scope = kind.scope === 'Namespaced' ? '/namespaces/default' : '';
  return `${base}${scope}/${kind.plural}`;
}

/**
 * Random objects of one kind that the server takes. What it complains of is mended by its own words, the paths of its
 * Status, until it takes the object: so they are valid without a second opinion of what is valid.
 */
export class ValidObjects {
  readonly #kind: Kind;
  readonly #chance: Chance;
  readonly #post: Post;

  constructor(kind: Kind, { chance, post }: { readonly chance: Chance; readonly post: Post }) {
    this.#kind = kind;
    this.#chance = chance;
    this.#post = post;
  }

  /** Creates one, so that it is valid; what was sent is returned. */
  async create(name: string): Promise<Fields> {
    const object = this.#random(name);
    for (let round = 0; ; round += 1) {
      const target = `${collectionOf(this.#kind)}?fieldValidation=Strict`;
      const reply = await this.#post(target, object);
      // What is no JSON, such as a field of a list, was never sent.
      if (reply.status === 201) return JSON.parse(JSON.stringify(object)) as Fields;
      assert.ok(round < ROUNDS_MAX, `never valid: ${JSON.stringify([object, reply.body])}`);
      this.#mend(object, reply, round);
    }
  }

  #random(name: string): Fields {
    const { schema } = this.#kind;
    const { metadata: _, ...body } = randomValue(schema, this.#chance) as Fields;
    const { labels, annotations } = randomValue(METADATA, this.#chance) as Fields;
    const metadata = {
      name,
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
}

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
  EndpointSlice: { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }] },
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
  'Certificate.networking.internal.knative.dev': {
    spec: { dnsNames: ['a.example.com'], secretName: 'a' },
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
  'DomainMapping.serving.knative.dev': {
    spec: {
      ref: {
        apiVersion: 'serving.knative.dev/v1',
        kind: 'Service',
        name: 'a',
        namespace: 'default',
      },
    },
  },
  'PodAutoscaler.autoscaling.internal.knative.dev': {
    spec: {
      protocolType: 'http1',
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' },
    },
  },
  'ServerlessService.networking.internal.knative.dev': {
    spec: {
      mode: 'Proxy',
      protocolType: 'http1',
      objectRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' },
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
