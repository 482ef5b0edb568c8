import type { Clock } from '#base/clock.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { ingressStatus, type IngressStatusWriter } from './ingress-status.ts';
import { tlsOf } from './route/host-secret.ts';
import { missingBackend, ServedVersions } from './route/missing-backend.ts';
import {
  buildRouteTable,
  isOurs,
  keyOf,
  type RouteMemory,
  type RouteTable,
} from './route/route-table.ts';
import type { ServiceDirectory } from './route/service-directory.ts';
import type { CertificateProblem, ServingCertificates } from './tls/serving-certificates.ts';

export interface IngressPublisherOptions {
  readonly directory: Pick<ServiceDirectory, 'find'>;
  readonly certificates: Pick<ServingCertificates, 'problemOf'>;
  readonly writer: Pick<IngressStatusWriter, 'want'>;
  readonly publicHost: string;
  readonly privateHost: string;
  readonly clock: Clock;
}

/** From Ingresses to what is served, and to what is said of it. */
export class IngressPublisher {
  readonly #options: IngressPublisherOptions;
  readonly #memory: RouteMemory = new WeakMap();
  readonly #versions = new ServedVersions();
  /** What was last said of each version of an Ingress: there are many beside the one that changed. */
  readonly #told = new WeakMap<Ingress, string>();

  constructor(options: IngressPublisherOptions) {
    this.#options = options;
  }

  /** The table of all Ingresses as they are now, which the caller serves at once: their statuses are on their way. */
  publish(ingresses: readonly Ingress[]): RouteTable {
    const ours = ingresses.filter(isOurs);
    const { directory } = this.#options;
    const versions = this.#versions.choose(ours, (ingress) => missingBackend(ingress, directory));
    const table = buildRouteTable(versions, this.#memory);
    for (const ingress of ours) this.#tell(ingress, table);
    return table;
  }

  #tell(ingress: Ingress, { rejected }: RouteTable): void {
    const { directory, certificates, writer, publicHost, privateHost, clock } = this.#options;
    const rejection = rejected.get(keyOf(ingress));
    const missing = missingBackend(ingress, directory);
    const certificateProblem = firstProblem(ingress, certificates);
    const news = JSON.stringify([rejection, missing, certificateProblem]);
    if (this.#told.get(ingress) === news) return;
    this.#told.set(ingress, news);
    const hosts = { publicHost, privateHost };
    const facts = { ...hosts, now: clock.now(), rejection, missing, certificateProblem };
    writer.want(ingress, ingressStatus(ingress, facts));
  }
}

function firstProblem(
  ingress: Ingress,
  certificates: IngressPublisherOptions['certificates'],
): CertificateProblem | undefined {
  for (const { secret } of tlsOf(ingress)) {
    const problem = certificates.problemOf(secret);
    if (problem) return problem;
  }
  return undefined;
}
