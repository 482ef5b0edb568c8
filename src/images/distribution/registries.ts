import type { RegistryCredentials } from '../image.ts';
import { isLoopback } from '../reference.ts';
import type { Trust } from './registry-http.ts';

/** One place that has the content of a registry: a mirror, or the registry itself. */
export interface RegistryHost {
  /** Ends with a slash: `https://registry-1.docker.io/v2/`. */
  readonly base: URL;
  /** A mirror is asked first, believed no more than any other, and never given the registry's credentials. */
  readonly isMirror: boolean;
}

/** What this machine knows of registries. */
export interface Registries {
  /** Where to pull from, in the order to ask; the last one is the registry itself, where to push to. */
  hostsOf(domain: string): readonly RegistryHost[];
  /** Of a host with its port, as URL.host has it. */
  trustOf(host: string): Trust | undefined;
  credentialsOf(host: string): RegistryCredentials | undefined;
}

/** Nothing configured: every registry itself, by TLS, loopback by plain HTTP. */
export const plainRegistries: Registries = {
  hostsOf: (domain) => [ownHost(domain)],
  trustOf: () => undefined,
  credentialsOf: () => undefined,
};

/** The registry behind a reference's domain. */
export function ownHost(domain: string): RegistryHost {
  const host = domain === 'docker.io' ? 'registry-1.docker.io' : domain;
  const scheme = isLoopback(host) ? 'http' : 'https';
  return { base: new URL(`${scheme}://${host}/v2/`), isMirror: false };
}
