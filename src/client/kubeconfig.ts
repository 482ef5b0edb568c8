import { isMap, isSeq, parseDocument, type Document } from 'yaml';
import type { HttpsTransportOptions } from '#client/https-transport.ts';

/** Where a kubeconfig leads, and as whom. */
export interface KubeconfigTarget extends HttpsTransportOptions {
  /** Of the context; `default` where it names none. */
  readonly namespace: string;
}

export interface ParseKubeconfigOptions {
  /** The current one unless told. */
  readonly context?: string;
  /** Reads a file that the kubeconfig names, relative to its own folder. */
  readonly readFile?: (path: string) => string;
}

/** A kubeconfig that cannot be followed; the message says what is missing or not understood. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
}

const LISTS = ['clusters', 'users', 'contexts'] as const;

/**
 * How to reach the cluster a kubeconfig names. Client certificates, tokens and token files are understood, programs that
 * fetch credentials (`exec`, `auth-provider`) are not. Throws KubeconfigError.
 */
export function parseKubeconfig(
  text: string,
  options: ParseKubeconfigOptions = {},
): KubeconfigTarget {
  const config = documentOf(text).toJS() as Fields;
  const contextName = options.context ?? stringIn(config, 'current-context');
  if (!contextName) throw new KubeconfigError('kubeconfig: it has no current-context');
  const context = named(config, 'contexts', contextName);
  const cluster = named(config, 'clusters', stringIn(context, 'cluster') ?? '');
  const user = named(config, 'users', stringIn(context, 'user') ?? '');
  const server = stringIn(cluster, 'server');
  if (!server)
    throw new KubeconfigError(`kubeconfig: the cluster of "${contextName}" has no server`);
  const read = readerOf(options);
  const ca = read(cluster, 'certificate-authority');
  const serverName = stringIn(cluster, 'tls-server-name');
  return {
    server,
    namespace: stringIn(context, 'namespace') ?? 'default',
    ...(ca !== undefined && { ca }),
    ...(serverName !== undefined && { serverName }),
    ...(cluster['insecure-skip-tls-verify'] === true && { isInsecure: true }),
    ...credentialsOf(user, { read, options }),
  };
}

/**
 * `existing` with the entries of `ours` added, or put in the place of those of the same name, and its current context made
 * ours. The rest, comments included, stays. Throws KubeconfigError where either is no kubeconfig.
 */
export function mergeKubeconfig(existing: string | undefined, ours: string): string {
  if (existing === undefined || existing.trim() === '') return ours;
  const merged = documentOf(existing);
  const added = documentOf(ours).toJS() as Fields;
  for (const list of LISTS) {
    for (const entry of entriesIn(added, list)) putEntry(merged, { list, entry });
  }
  merged.set('current-context', added['current-context']);
  return merged.toString();
}

type Fields = Readonly<Record<string, unknown>>;
type Reader = (fields: Fields, name: string) => string | undefined;

function documentOf(text: string): Document {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error) throw new KubeconfigError(`kubeconfig: it is not YAML: ${error.message}`);
  if (!isMap(document.contents)) throw new KubeconfigError('kubeconfig: it is not a map');
  return document;
}

function putEntry(
  document: Document,
  { list, entry }: { list: (typeof LISTS)[number]; entry: Fields },
): void {
  const sequence = document.get(list);
  if (!isSeq(sequence)) {
    document.set(list, document.createNode([entry]));
    return;
  }
  const at = sequence.items.findIndex((item) => isMap(item) && item.get('name') === entry['name']);
  const node = document.createNode(entry);
  if (at < 0) sequence.add(node);
  else sequence.set(at, node);
}

function entriesIn(config: Fields, list: string): readonly Fields[] {
  const entries = config[list];
  return Array.isArray(entries) ? entries.filter(isFields) : [];
}

/** `clusters` has entries `{name, cluster: {…}}`, and so on. */
function named(config: Fields, list: (typeof LISTS)[number], name: string): Fields {
  const entry = entriesIn(config, list).find((candidate) => candidate['name'] === name);
  const fields = entry?.[list.slice(0, -1)];
  if (!isFields(fields)) {
    throw new KubeconfigError(`kubeconfig: "${name}" is not among its ${list}`);
  }
  return fields;
}

/** What `name` says inline, in base64 under `<name>-data`, or else in the file it names. */
function readerOf({ readFile }: ParseKubeconfigOptions): Reader {
  return (fields, name) => {
    const data = stringIn(fields, `${name}-data`);
    if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
    const file = stringIn(fields, name);
    if (file === undefined) return undefined;
    if (!readFile) throw new KubeconfigError(`kubeconfig: ${name}: found a file, wanted it inline`);
    return readFile(file);
  };
}

function credentialsOf(
  user: Fields,
  { read, options }: { read: Reader; options: ParseKubeconfigOptions },
): Pick<HttpsTransportOptions, 'certificate' | 'token'> {
  for (const unknown of ['exec', 'auth-provider', 'username']) {
    if (user[unknown] !== undefined) {
      throw new KubeconfigError(
        `kubeconfig: ${unknown}: cannot be used here, wanted a client certificate or a token`,
      );
    }
  }
  const cert = read(user, 'client-certificate');
  const key = read(user, 'client-key');
  const token = stringIn(user, 'token');
  const { readFile } = options;
  const tokenFile = stringIn(user, 'tokenFile');
  return {
    ...(cert !== undefined && key !== undefined && { certificate: { cert, key } }),
    ...(token !== undefined && { token: () => token }),
    // Renewed in place, in pods for instance: read each time.
    ...(tokenFile !== undefined && readFile && { token: () => readFile(tokenFile).trim() }),
  };
}

function stringIn(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
