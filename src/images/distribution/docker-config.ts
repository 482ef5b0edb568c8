import { ImageError, type RegistryCredentials } from '../image.ts';
import { recordOf } from '../json-value.ts';
import type { Reference } from '../reference.ts';

const CONFIG_CHARACTERS_MAX = 1024 * 1024;

/** Credentials by what they are for: a registry, maybe with a path below it. */
export type DockerConfig = ReadonlyMap<string, RegistryCredentials>;

/**
 * Parses the `.dockerconfigjson` or `.dockercfg` of a pull Secret, or `~/.docker/config.json`; entries without a user name
 * and password are left out. Throws ImageError `Invalid`, which says nothing of the content.
 */
export function parseDockerConfig(text: string): DockerConfig {
  const refuse = (why: string): never => {
    throw new ImageError('Invalid', `registry credentials: ${why}`);
  };
  if (text.length > CONFIG_CHARACTERS_MAX) refuse('they are too long');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Without the parser's own words: they quote what it found.
    refuse('they are not JSON');
  }
  const root = recordOf(json) ?? refuse('wanted a JSON object');
  // The old form is the list itself.
  const auths = recordOf('auths' in root ? root['auths'] : root) ?? {};
  const entries = Object.entries(auths).flatMap(([key, value]) => {
    const credentials = credentialsIn(recordOf(value) ?? {});
    return credentials ? [[key, credentials] as const] : [];
  });
  return new Map(entries);
}

/** What may open a repository, the most particular first, as the kubelet chooses (Kubernetes, "Config.json interpretation"). */
export function credentialsFor(
  { domain, path }: Reference,
  configs: readonly DockerConfig[],
): readonly RegistryCredentials[] {
  return configs
    .flatMap((config) => [...config])
    .filter(([key]) => matches(key, { domain, path }))
    .toSorted(([a], [b]) => b.length - a.length)
    .map(([, credentials]) => credentials);
}

/** `https://index.docker.io/v1/`, `*.example.com:5000`, `example.com/team`. */
function matches(key: string, { domain, path }: { domain: string; path: string }): boolean {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/$/, '');
  const slash = bare.indexOf('/');
  const host = slash < 0 ? bare : bare.slice(0, slash);
  const prefix = slash < 0 ? '' : bare.slice(slash + 1);
  const wanted = /^(?:index\.|registry-1\.)?docker\.io$/.test(host) ? 'docker.io' : host;
  if (!hostMatches(wanted, domain)) return false;
  return prefix === '' || /^v[12]$/.test(prefix) || path.startsWith(prefix);
}

/** A `*` stands for any characters of one label. */
function hostMatches(pattern: string, domain: string): boolean {
  const [patternLabels, labels] = [pattern.split('.'), domain.split('.')];
  if (patternLabels.length !== labels.length) return false;
  return patternLabels.every((label, at) => {
    const [start = '', ...rest] = label.split('*');
    const text = labels[at] ?? '';
    if (rest.length === 0) return text === start;
    const end = rest.at(-1) ?? '';
    return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
  });
}

function credentialsIn(entry: Record<string, unknown>): RegistryCredentials | undefined {
  const { auth, username, password } = entry;
  if (typeof auth === 'string' && auth !== '') {
    const text = Buffer.from(auth, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    // Some tools fill the field up with NULs.
    if (colon > 0)
      return {
        username: text.slice(0, colon),
        password: text.slice(colon + 1).replace(/\0+$/, ''),
      };
  }
  return typeof username === 'string' && typeof password === 'string' && username !== ''
    ? { username, password }
    : undefined;
}
