import { EventEmitter, once } from 'node:events';
import { systemRandom } from '#base/random.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import type { Agent } from '#agent/agent.ts';
import type { Connection } from '#apiserver/subresources/subresource.ts';
import type { Client } from '#client/client.ts';
import { ContentStore } from '#images/content/content-store.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import { serveImages } from '#images/image-api.ts';
import { ImageCollector } from '#images/content/image-collector.ts';
import { openImages, type LocalImages } from '#images/images.ts';
import { platformOf } from '#images/manifest.ts';
import { RegistriesFile } from '#images/distribution/registries-file.ts';
import { startRegistry } from '#images/registry/registry.ts';
import { registriesFileOf } from '#supervisor/settings.ts';
import type { Api } from './api.ts';
import { CLUSTER_DOMAIN, REGISTRY_NAME } from './cluster-objects.ts';
import { registryGuard } from './registry-guard.ts';
import type { PartContext } from './run-part.ts';

/** The content store with its two doors: the agent's images and the registry. */
export interface Content extends AsyncDisposable {
  readonly images: LocalImages;
  /** POST …/nodes/{name}/images: what `knode image` asks for. */
  readonly connection: Connection;
  /** Opens the registry to pods: by TLS, to who has a token. */
  openToPods(api: Pick<Api, 'client' | 'certificate'>, host: string): Promise<AsyncDisposable>;
  /** Frees what nobody needs, where the disk is full, as soon as `keepCollected` was called. */
  makeRoom(signal: AbortSignal): Promise<void>;
  /** Removes what is no longer needed, until it is disposed of. */
  keepCollected(client: Client, agent: Pick<Agent, 'imagesInUse'>): AsyncDisposable;
}

export async function openContent({ settings, clock, log }: PartContext): Promise<Content> {
  const parts = { clock, random: systemRandom };
  const registries = new RegistriesFile(registriesFileOf(settings.home));
  const store = await ContentStore.open({ ...parts, home: settings.home });
  const port = settings.registryPort;
  const builtIn = new Set([`localhost:${port}`, `127.0.0.1:${port}`, REGISTRY_NAME]);
  let collector: ImageCollector | undefined;
  const news = new EventEmitter<{ collector: [] }>();
  const images = await openImages({
    store,
    client: new DistributionClient({ ...parts, registries: () => registries.current() }),
    platform: platformOf(process.arch),
    owners: 'image',
    clock,
    isBuiltIn: (domain) => builtIn.has(domain),
    makeRoom: async (signal) => {
      await collector?.look({ isSweep: false, signal }).catch((error: unknown) => {
        log.error('images: no room could be made', { error });
      });
    },
  });
  const registry = await startRegistry({ ...parts, store, log, host: '127.0.0.1', port });
  return {
    images,
    connection: {
      group: '',
      plural: 'nodes',
      subresource: 'images',
      methods: ['POST'],
      async handle({ body = '', signal }) {
        if (!collector) throw new ApiError('ServiceUnavailable', 'the agent is starting');
        return serveImages(
          { images, collector, builtInHost: `127.0.0.1:${port}` },
          { body, signal },
        );
      },
    },
    async openToPods({ client, certificate }, address) {
      const short = REGISTRY_NAME.slice(0, -`.${CLUSTER_DOMAIN}`.length);
      const tls = await certificate('registry', [REGISTRY_NAME, short, address]);
      const guard = registryGuard(client);
      return await startRegistry({ ...parts, store, log, host: address, port, tls, guard });
    },
    async makeRoom(signal) {
      if (!collector) await once(news, 'collector', { signal });
      await collector?.look({ isSweep: false, signal });
    },
    keepCollected(client, agent) {
      const needed = (): Promise<readonly string[]> => neededImages(client, agent);
      collector = new ImageCollector({ store, images, clock, log, needed });
      news.emit('collector');
      const stop = new AbortController();
      const running = collector.run(stop.signal);
      return {
        async [Symbol.asyncDispose]() {
          stop.abort();
          await running;
        },
      };
    },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

/** What the images on this machine are kept for: containers that exist, and Revisions, which must start from zero at once. */
async function neededImages(
  client: Client,
  agent: Pick<Agent, 'imagesInUse'>,
): Promise<readonly string[]> {
  const { items } = await client.list(Revision);
  return [...(await agent.imagesInUse()), ...items.flatMap(imagesOf)];
}

/** By digest once the Revision knows it, as its pods name it; as written until then. */
function imagesOf({ spec, status }: Revision): string[] {
  const resolved = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const written = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return [
    ...resolved.flatMap(({ imageDigest }) => imageDigest ?? []),
    ...written.flatMap(({ image }) => image ?? []),
  ];
}
