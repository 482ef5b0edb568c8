import os from 'node:os';
import type {
  Container,
  EnvVarSource,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { amountOf } from '#api/meta/quantity.ts';
import type { ConfigReader } from '#agent/pods/config-reader.ts';
import { configProblem } from '#agent/pods/container-problem.ts';

export interface PodFacts {
  readonly pod: Pod;
  readonly address: string;
  readonly hostAddress: string;
}

export interface EnvironmentSources extends PodFacts {
  readonly container: Container;
  /** `NAME=value` each. */
  readonly imageEnv: readonly string[];
  /** What the platform adds beneath the container's own. */
  readonly platformEnv: Readonly<Record<string, string>>;
  readonly reader: ConfigReader;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * A container's environment by name: the image's, the platform's, `envFrom`, then `env`, each over the one before.
 * Throws ContainerProblem where something it names does not exist.
 */
export async function resolveEnvironment(
  sources: EnvironmentSources,
): Promise<ReadonlyMap<string, string>> {
  const { container, imageEnv, platformEnv, reader, pod } = sources;
  const env = new Map<string, string>([
    ['PATH', DEFAULT_PATH],
    ['HOSTNAME', hostnameOf(pod)],
  ]);
  for (const entry of imageEnv) {
    const at = entry.indexOf('=');
    if (at > 0) env.set(entry.slice(0, at), entry.slice(at + 1));
  }
  for (const [name, value] of Object.entries(platformEnv)) env.set(name, value);
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data = configMapRef?.name
      ? await reader.configMap({ ...configMapRef, name: configMapRef.name })
      : secretRef?.name
        ? await reader.secret({ ...secretRef, name: secretRef.name })
        : {};
    for (const [key, value] of Object.entries(data)) env.set(prefix + key, value.toString('utf8'));
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const found = valueFrom ? await valueOf(valueFrom, sources) : expand(value ?? '', env);
    if (found !== undefined) env.set(name, found);
  }
  return env;
}

/** `$(NAME)` becomes its value where it has one; `$$(NAME)` becomes `$(NAME)`. */
export function expand(text: string, env: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (env.get(name) ?? whole),
  );
}

export function hostnameOf({ metadata, spec }: Pod): string {
  if (spec?.hostNetwork) return os.hostname();
  return (spec?.hostname ?? metadata.name ?? '').slice(0, 63).replace(/[-.]+$/, '');
}

/** What the pod's programs see as the machine's name: with its domain where the spec says so (core/v1 setHostnameAsFQDN). */
export function machineName(pod: Pod, clusterDomain: string): string {
  const { setHostnameAsFQDN = false, subdomain } = pod.spec ?? {};
  if (!setHostnameAsFQDN || !subdomain) return hostnameOf(pod);
  const name = `${hostnameOf(pod)}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`;
  if (name.length <= HOSTNAME_MAX) return name;
  throw configProblem(
    `the pod's FQDN "${name}" is too long as a hostname: ${name.length} characters, at most ${HOSTNAME_MAX}`,
  );
}

/** The kernel's (sethostname(2)). */
const HOSTNAME_MAX = 64;

async function valueOf(
  source: EnvVarSource,
  sources: EnvironmentSources,
): Promise<string | undefined> {
  const { configMapKeyRef: map, secretKeyRef: secret, fieldRef, resourceFieldRef } = source;
  const selector = map ?? secret;
  if (selector) {
    const wanted = { name: selector.name ?? '', optional: selector.optional };
    const data = map ? await sources.reader.configMap(wanted) : await sources.reader.secret(wanted);
    const value = data[selector.key];
    if (value !== undefined) return value.toString('utf8');
    if (selector.optional) return undefined;
    const what = map ? 'ConfigMap' : 'Secret';
    throw configProblem(
      `couldn't find key ${selector.key} in ${what} ${sources.pod.metadata.namespace}/${selector.name}`,
    );
  }
  if (fieldRef) return fieldValue(fieldRef, sources);
  if (resourceFieldRef) return resourceValue(resourceFieldRef, sources.pod, sources.container);
  throw configProblem(
    'an environment variable has a valueFrom that is not supported yet: use a ConfigMap, a Secret or a field',
  );
}

/** The downward API's fields (Kubernetes, core/v1 ObjectFieldSelector). */
export function fieldValue({ fieldPath }: ObjectFieldSelector, facts: PodFacts): string {
  const { pod, address, hostAddress } = facts;
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath);
  if (keyed) return metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2] ?? ''] ?? '';
  const fields: Readonly<Record<string, string | undefined>> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'metadata.labels': lines(metadata.labels),
    'metadata.annotations': lines(metadata.annotations),
    'spec.nodeName': spec?.nodeName,
    'spec.serviceAccountName': spec?.serviceAccountName,
    'status.hostIP': hostAddress,
    'status.hostIPs': hostAddress,
    'status.podIP': address,
    'status.podIPs': address,
  };
  if (!Object.hasOwn(fields, fieldPath))
    throw configProblem(`field "${fieldPath}" is not supported in a fieldRef`);
  return fields[fieldPath] ?? '';
}

function lines(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/** What a container asks for or may use, in units of the divisor; where it says nothing, what the machine has. */
export function resourceValue(
  { containerName, resource, divisor = '1' }: ResourceFieldSelector,
  { spec }: Pod,
  own?: Container,
): string {
  const [kind = '', name = ''] = resource.split('.');
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const { resources } = all.find((each) => each.name === containerName) ?? own ?? {};
  const amounts = kind === 'requests' ? resources?.requests : resources?.limits;
  const whole = kind === 'limits' ? machineHas(name) : 0;
  const amount = amounts?.[name] === undefined ? whole : amountOf(amounts[name]);
  return String(Math.ceil(amount / (amountOf(divisor) || 1)));
}

function machineHas(resource: string): number {
  if (resource === 'cpu') return os.availableParallelism();
  return resource === 'memory' ? os.totalmem() : 0;
}
