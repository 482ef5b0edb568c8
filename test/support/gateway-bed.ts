import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { type AddressInfo, createConnection, type Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AsyncQueue } from '#base/async-queue.ts';
import { systemClock, type Clock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { isReady } from '#api/meta/conditions.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { INGRESS_CLASS, networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Informers } from '#client/informers.ts';
import { startMeasurementServer, type MeasurementServer } from '#autoscaler/measurement-server.ts';
import type { FromGateway } from '#autoscaler/measurements.ts';
import type { DoorName } from '#gateway/doors.ts';
import { startGateway, type Gateway, type GatewayOptions } from '#gateway/gateway.ts';
import { endingPodsOf } from '#gateway/route/ending-pods.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';

/** A gateway in front of a cluster in this process, with the autoscaler's end of its channel in the test's hands. */
export interface GatewayBed extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly gateway: Gateway<'public' | 'publicTls' | 'internal' | 'internalTls' | 'backend'>;
  readonly autoscaler: MeasurementServer;
  /** The next message of that type from the gateway. */
  heard<T extends FromGateway['type']>(type: T): Promise<Extract<FromGateway, { type: T }>>;
  /** A Revision with its public and private Service, without pods. */
  revision(
    name: string,
    spec?: Partial<Revision['spec']>,
    labels?: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** Makes the private Service of a revision lead to these. */
  pods(revision: string, pods: readonly BedPod[]): Promise<void>;
  /** An Ingress whose one host leads to a Service; resolves when it is Ready. */
  route(host: string, service: string, rule?: Partial<BedRule>): Promise<void>;
  /** A Service with these endpoints that is not a revision's. */
  service(name: string, pods: readonly BedPod[]): Promise<void>;
  ingress(name: string, spec: Ingress['spec']): Promise<Ingress>;
  /** A Secret with a pair in PEM, written or overwritten. */
  secret(name: string, pair: { readonly certificate: string; readonly key: string }): Promise<void>;
}

interface BedPod {
  readonly name: string;
  readonly port: number;
  readonly isReady?: boolean;
}

interface BedRule {
  readonly visibility: 'ExternalIP' | 'ClusterLocal';
  readonly path: NonNullable<
    NonNullable<Ingress['spec']['rules']>[number]['http']
  >['paths'][number];
}

export interface GatewayBedOptions extends Pick<
  GatewayOptions<DoorName>,
  'metrics' | 'requestLog' | 'tracer'
> {
  /** The gateway's; the machine's unless told. */
  readonly clock?: Clock;
}

export async function startGatewayBed({
  clock = systemClock,
  ...watched
}: GatewayBedOptions = {}): Promise<GatewayBed> {
  await using resources = new AsyncDisposableStack();
  const folder = mkdtempSync(path.join(tmpdir(), 'gateway-'));
  resources.defer(() => rmSync(folder, { recursive: true }));
  const cluster = resources.use(
    await startCluster({ kinds: [Ingress, Revision], clock: systemClock }),
  );
  const heard = new Map<string, AsyncQueue<FromGateway>>();
  const queueOf = (type: string): AsyncQueue<FromGateway> => {
    const queue = heard.get(type) ?? new AsyncQueue<FromGateway>(1_000, () => new Error('full'));
    heard.set(type, queue);
    return queue;
  };
  const socketPath = path.join(folder, 'measurements');
  const autoscaler = resources.use(
    await startMeasurementServer({
      socketPath,
      clock: systemClock,
      log: silentLog,
      onMessage: (message) => queueOf(message.type).push(message),
    }),
  );
  const door = { addresses: ['127.0.0.1'], port: 0, flag: '--port' };
  const stop = new AbortController();
  resources.defer(() => stop.abort());
  const { client } = cluster;
  const base = { client, clock: systemClock, random: seededRandom(1), log: silentLog };
  const informers = resources.use(new Informers({ ...base, signal: stop.signal }));
  const gateway = resources.use(
    await startGateway({
      ...base,
      clock,
      informers,
      measurementSocketPath: socketPath,
      doors: {
        public: door,
        publicTls: door,
        internal: door,
        internalTls: door,
        backend: door,
      },
      publicHost: 'gateway.knative-serving.svc.cluster.local',
      privateHost: 'gateway-internal.knative-serving.svc.cluster.local',
      clusterDomain: 'cluster.local',
      endingPods: endingPodsOf(client),
      ...watched,
    }),
  );
  const owned = resources.move();
  return {
    cluster,
    gateway,
    autoscaler,
    async heard<T extends FromGateway['type']>(type: T) {
      const iterator = queueOf(type)[Symbol.asyncIterator]();
      const { value } = await iterator.next();
      // A queue ends with its first reader; the next one begins with what comes after.
      heard.delete(type);
      return value as Extract<FromGateway, { type: T }>;
    },
    ...makers(cluster),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Makers = Pick<GatewayBed, 'revision' | 'pods' | 'route' | 'service' | 'ingress' | 'secret'>;

function makers({ client }: Cluster): Makers {
  const namespace = 'default';
  const slice = (service: string, pods: readonly BedPod[]): EndpointSlice[] =>
    pods.map((pod) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        namespace,
        name: `${service}-${pod.name}`,
        labels: { 'kubernetes.io/service-name': service },
      },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['127.0.0.1'],
          conditions: { ready: pod.isReady ?? true },
          targetRef: { kind: 'Pod', namespace, name: pod.name },
        },
      ],
      ports: [{ name: 'http', port: pod.port }],
    }));
  const setPods = async (service: string, pods: readonly BedPod[]): Promise<void> => {
    const wanted = slice(service, pods);
    const { items } = await client.list(EndpointSlice, {
      namespace,
      labelSelector: `kubernetes.io/service-name=${service}`,
    });
    for (const object of wanted) await client.apply(EndpointSlice, object);
    for (const { metadata } of items) {
      if (wanted.some((object) => object.metadata.name === metadata.name)) continue;
      await client.delete(EndpointSlice, { namespace, name: metadata.name ?? '' });
    }
  };
  const makeService = (name: string, labels: Record<string, string>): Promise<Service> =>
    client.apply(Service, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name, labels },
      spec: { ports: [{ name: 'http', port: 80 }] },
    });
  const ingress = (name: string, spec: Ingress['spec']): Promise<Ingress> =>
    client.create(Ingress, {
      apiVersion: 'networking.internal.knative.dev/v1alpha1',
      kind: 'Ingress',
      metadata: {
        namespace,
        name,
        annotations: { [networkingKeys.ingressClass]: INGRESS_CLASS },
      },
      spec,
    });
  return {
    ingress,
    async secret(name, { certificate, key }) {
      await client.apply(Secret, {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace, name },
        type: 'kubernetes.io/tls',
        data: {
          'tls.crt': Buffer.from(certificate).toString('base64'),
          'tls.key': Buffer.from(key).toString('base64'),
        },
      });
    },
    async revision(name, spec = {}, labels = {}) {
      await client.create(Revision, {
        apiVersion: 'serving.knative.dev/v1',
        kind: 'Revision',
        metadata: { namespace, name, labels: { ...labels }, ...ownerOf(labels) },
        spec: { containers: [{ name: 'user-container', image: 'example.com/app' }], ...spec },
      });
      const label = (serviceType: string): Record<string, string> => ({
        [networkingKeys.serverlessService]: name,
        [networkingKeys.serviceType]: serviceType,
      });
      await makeService(`${name}-private`, label('Private'));
      await makeService(name, label('Public'));
    },
    pods: (revision, pods) => setPods(`${revision}-private`, pods),
    async service(name, pods) {
      await makeService(name, {});
      await setPods(name, pods);
    },
    async route(host, service, { visibility = 'ExternalIP', path: rule } = {}) {
      const split = { serviceNamespace: namespace, serviceName: service, servicePort: 80 };
      const made = await ingress(host.replaceAll('.', '-'), {
        rules: [
          {
            hosts: [host],
            visibility,
            http: { paths: [rule ?? { splits: [{ ...split, percent: 100 }] }] },
          },
        ],
      });
      await ready(client, made);
    },
  };
}

/** Whoever says whose it is must belong to it. */
function ownerOf(
  labels: Readonly<Record<string, string>>,
): Pick<Revision['metadata'], 'ownerReferences'> {
  const name = labels['serving.knative.dev/configuration'];
  if (name === undefined) return {};
  const apiVersion = 'serving.knative.dev/v1';
  const owner = { apiVersion, kind: 'Configuration', name, uid: name, controller: true };
  return { ownerReferences: [owner] };
}

/** Resolves with the Ingress once it is Ready. */
export async function ready(client: Cluster['client'], made: Ingress): Promise<Ingress> {
  return await untilIngress(client, made, isReady);
}

/** Resolves with the Ingress once a version of it after `made` is as wanted. */
export async function untilIngress(
  client: Cluster['client'],
  made: Ingress,
  isWanted: (ingress: Ingress) => boolean,
): Promise<Ingress> {
  const stop = new AbortController();
  const { name = '', namespace = '', resourceVersion = '' } = made.metadata;
  const selection = { namespace, fieldSelector: `metadata.name=${name}`, resourceVersion };
  for await (const event of client.watch(Ingress, selection, stop.signal)) {
    if (event.type === 'MODIFIED' && isWanted(event.object)) {
      stop.abort();
      return event.object;
    }
  }
  throw new Error(`Ingress ${name}: the watch ended before it was as wanted`);
}

/** A program that pods run: a real HTTP server. */
export interface App extends AsyncDisposable {
  readonly port: number;
  readonly server: http.Server;
}

export async function startApp(listener: http.RequestListener, port = 0): Promise<App> {
  const server = http.createServer(listener);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function portOf(server: NetServer): number {
  return (server.address() as AddressInfo).port;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface Ask {
  readonly host: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
  readonly agent?: http.Agent;
  /** Over TLS, by an authority in PEM. */
  readonly authority?: string;
}

/** One request on a connection of its own unless an agent is given. */
export async function ask(port: number, options: Ask): Promise<Answer> {
  const { authority } = options;
  const send = authority === undefined ? http.request : https.request;
  const request = send({
    port,
    host: '127.0.0.1',
    ...(authority !== undefined && { ca: authority, servername: options.host.split(':')[0] }),
    method: options.method ?? 'GET',
    path: options.path ?? '/',
    headers: { host: options.host, ...options.headers },
    agent: options.agent ?? false,
    ...(options.signal && { signal: options.signal }),
  });
  request.end(options.body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

/** Sends bytes as they are and returns all that comes until the other side closes. */
export async function sendRaw(port: number, text: string): Promise<string> {
  const socket = createConnection({ port, host: '127.0.0.1' });
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
  });
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return received;
}
