import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { ImageError, type RegistryCredentials } from '../image.ts';
import { unlessMissing } from '../missing-file.ts';
import { ownHost, plainRegistries, type Registries, type RegistryHost } from './registries.ts';
import type { Trust } from './registry-http.ts';

const FILE_BYTES_MAX = 1024 * 1024;

/**
 * `registries.yaml`, in the form that k3s made customary: `mirrors` with their endpoints, `configs` with credentials and
 * TLS. Read again when it changes; without the file nothing is configured.
 */
export class RegistriesFile {
  readonly #file: string;
  #read: { readonly version: string; readonly registries: Registries } | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Throws ImageError `Invalid` with the line or field that is wrong. */
  async current(): Promise<Registries> {
    const found = await unlessMissing(stat(this.#file));
    if (!found) return plainRegistries;
    const version = `${found.mtimeMs} ${found.size} ${found.ino}`;
    if (this.#read?.version === version) return this.#read.registries;
    if (found.size > FILE_BYTES_MAX) throw invalid(this.#file, `more than ${FILE_BYTES_MAX} bytes`);
    const registries = await this.#parse(await readFile(this.#file, 'utf8'));
    this.#read = { version, registries };
    return registries;
  }

  async #parse(text: string): Promise<Registries> {
    const fields = new Fields(this.#file, yamlOf(text, this.#file));
    const mirrors = new Map<string, readonly RegistryHost[]>();
    for (const [domain, mirror] of fields.entries('mirrors'))
      mirrors.set(domain, mirror.texts('endpoint').map(endpointOf(this.#file)));
    const configs = new Map<string, HostConfig>();
    for (const [host, config] of fields.entries('configs'))
      configs.set(host, await configOf(config, path.dirname(this.#file)));
    const configOfHost = (host: string): HostConfig | undefined =>
      configs.get(host) ?? (host === 'registry-1.docker.io' ? configs.get('docker.io') : undefined);
    return {
      hostsOf(domain) {
        const own = ownHost(domain);
        const endpoints = mirrors.get(domain) ?? mirrors.get('*') ?? [];
        // An endpoint may be the registry itself, to say that it speaks plain HTTP.
        const itself = endpoints.find(({ base }) => base.host === own.base.host);
        const others = endpoints.filter((each) => each !== itself);
        return [...others, { base: itself?.base ?? own.base, isMirror: false }];
      },
      trustOf: (host) => configOfHost(host)?.trust,
      credentialsOf: (host) => configOfHost(host)?.credentials,
    };
  }
}

interface HostConfig {
  readonly trust?: Trust;
  readonly credentials?: RegistryCredentials;
}

async function configOf(config: Fields, folder: string): Promise<HostConfig> {
  const [auth] = config.group('auth');
  const [tls] = config.group('tls');
  const username = auth?.text('username');
  const password = auth?.text('password');
  const pem = async (field: string): Promise<string | undefined> => {
    const file = tls?.text(field);
    return file === undefined ? undefined : await tls?.fileText(field, path.resolve(folder, file));
  };
  const [ca, certificate, key] = [
    await pem('ca_file'),
    await pem('cert_file'),
    await pem('key_file'),
  ];
  return {
    ...(username !== undefined &&
      password !== undefined && { credentials: { username, password } }),
    ...(tls && {
      trust: {
        ...(ca !== undefined && { ca }),
        ...(certificate !== undefined && { certificate }),
        ...(key !== undefined && { key }),
        ...(tls.flag('insecure_skip_verify') && { isUnverified: true }),
      },
    }),
  };
}

/** An endpoint without a path has the API where every registry has it. */
function endpointOf(file: string): (text: string) => RegistryHost {
  return (text) => {
    const url = URL.parse(text);
    if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
      throw invalid(file, `endpoint ${JSON.stringify(text)}, wanted a URL with http or https`);
    const base = new URL(url);
    base.pathname = url.pathname === '/' ? '/v2/' : `${url.pathname.replace(/\/$/, '')}/`;
    return { base, isMirror: true };
  };
}

function yamlOf(text: string, file: string): unknown {
  try {
    return parse(text) as unknown;
  } catch (error) {
    throw new ImageError(
      'Invalid',
      `${file}: ${error instanceof Error ? error.message : 'not YAML'}`,
      error,
    );
  }
}

/** Reads fields of a document that a person wrote, and says which of them is wrong. */
class Fields {
  readonly #file: string;
  readonly #at: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(file: string, value: unknown, at = '') {
    this.#file = file;
    this.#at = at;
    if (
      value !== null &&
      value !== undefined &&
      (typeof value !== 'object' || Array.isArray(value))
    )
      throw invalid(file, `${at || 'the document'}: wanted a map`);
    // An object's own fields; reading any name from it gives unknown.
    this.#fields = (value ?? {}) as Record<string, unknown>;
  }

  entries(name: string): readonly (readonly [string, Fields])[] {
    const map = new Fields(this.#file, this.#fields[name], this.#under(name));
    return Object.keys(map.#fields).map((key) => [
      key,
      new Fields(this.#file, map.#fields[key], map.#under(key)),
    ]);
  }

  /** None where the field is absent, else one. */
  group(name: string): readonly Fields[] {
    const value = this.#fields[name];
    return value === undefined ? [] : [new Fields(this.#file, value, this.#under(name))];
  }

  text(name: string): string | undefined {
    const value = this.#fields[name];
    if (value === undefined || typeof value === 'string') return value;
    throw invalid(this.#file, `${this.#under(name)}: wanted text`);
  }

  texts(name: string): readonly string[] {
    const value = this.#fields[name] ?? [];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    throw invalid(this.#file, `${this.#under(name)}: wanted a list of texts`);
  }

  flag(name: string): boolean {
    const value = this.#fields[name] ?? false;
    if (typeof value === 'boolean') return value;
    throw invalid(this.#file, `${this.#under(name)}: wanted true or false`);
  }

  async fileText(name: string, file: string): Promise<string> {
    const text = await unlessMissing(readFile(file, 'utf8'));
    if (text !== undefined) return text;
    throw invalid(this.#file, `${this.#under(name)}: there is no file ${file}`);
  }

  #under(name: string): string {
    return this.#at === '' ? name : `${this.#at}.${name}`;
  }
}

function invalid(file: string, why: string): ImageError {
  return new ImageError('Invalid', `${file}: ${why}`);
}
