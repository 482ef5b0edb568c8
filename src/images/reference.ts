import { type Digest, parseDigest } from './digest.ts';
import { ImageError } from './image.ts';
import { shown } from './shown.ts';

/** An image reference with nothing left to default (the grammar of the distribution project's references). */
export interface Reference {
  /** Host, with `:port` where one was given: `docker.io`, `localhost:5000`. */
  readonly domain: string;
  /** Repository inside the registry: `library/nginx`. */
  readonly path: string;
  /** Absent only when a digest is given without a tag. */
  readonly tag?: string;
  readonly digest?: Digest;
}

/** The longest repository, domain included, that clients and registries accept. */
const REPOSITORY_CHARACTERS_MAX = 255;

const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Parses and completes a reference: `nginx` is `docker.io/library/nginx:latest`. Throws ImageError `Invalid`. */
export function parseReference(text: string): Reference {
  const refuse = (why: string): never => {
    throw new ImageError('Invalid', `image reference ${shown(text)}: ${why}`);
  };
  if (text === '') refuse('it is empty, wanted a name such as nginx or localhost:5000/hello:v1');
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const digest =
    at < 0 ? undefined : parseDigest(text.slice(at + 1), `image reference ${shown(text)}: digest`);
  // A colon after the last slash begins the tag; one before it begins the registry's port.
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !isTag(tag))
    refuse(`tag ${shown(tag)}, wanted at most 128 of letters, digits, _ . -`);
  const { domain, path } = splitDomain(colon < 0 ? named : named.slice(0, colon));
  if (!DOMAIN.test(domain)) refuse(`registry host ${shown(domain)} is not a host name`);
  if (!isRepositoryPath(path))
    refuse(`repository ${shown(path)}, wanted lower-case letters and digits, separated by / . _ -`);
  if (domain.length + 1 + path.length > REPOSITORY_CHARACTERS_MAX)
    refuse(`${domain.length + 1 + path.length} characters, at most ${REPOSITORY_CHARACTERS_MAX}`);
  const chosenTag = tag ?? (digest ? undefined : 'latest');
  return { domain, path, ...(chosenTag && { tag: chosenTag }), ...(digest && { digest }) };
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** True for a repository name as the distribution specification allows it, without a host. */
export function isRepositoryPath(text: string): boolean {
  return (
    text.length <= REPOSITORY_CHARACTERS_MAX &&
    text.split('/').every((component) => COMPONENT.test(component))
  );
}

/** `docker.io/library/nginx`: what a reference names before its tag or digest. */
export function repositoryOf({ domain, path }: Reference): string {
  return `${domain}/${path}`;
}

/** True for a registry on this machine, with whatever port: plain HTTP to it harms nobody. */
export function isLoopback(domain: string): boolean {
  return /^(?:localhost|[a-z0-9.-]+\.localhost|127(?:\.[0-9]+){3}|\[::1\])(?::[0-9]+)?$/.test(
    domain,
  );
}

export function formatReference(reference: Reference): string {
  const tag = reference.tag ? `:${reference.tag}` : '';
  const digest = reference.digest ? `@${reference.digest}` : '';
  return `${repositoryOf(reference)}${tag}${digest}`;
}

/** What a registry's manifest address ends with: the digest when there is one, because it cannot move. */
export function manifestKeyOf({ digest, tag }: Reference): string {
  return digest ?? tag ?? 'latest';
}

/** The first component is a host only if it looks like one; else the name is Docker Hub's. */
function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, slash);
  const isHost =
    slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const domain = isHost ? first : 'docker.io';
  const path = isHost ? name.slice(slash + 1) : name;
  if (domain !== 'docker.io' && domain !== 'index.docker.io') return { domain, path };
  return { domain: 'docker.io', path: path.includes('/') ? path : `library/${path}` };
}
