import type { GoTemplate } from '#base/go-template.ts';
import { CERTIFICATE_CLASS, INGRESS_CLASS } from '#api/networking-v1alpha1/networking-keys.ts';
import {
  choice,
  ConfigError,
  entriesOf,
  flag,
  integer,
  keyOf,
  readKeys,
  selectorOf,
  text,
  type ConfigData,
  type ConfigKey,
  type ValuesOf,
  yamlEntries,
} from '#api/serving-config/config-key.ts';
import { triedTemplate } from '#api/serving-config/config-template.ts';

const ON_OFF = ['Enabled', 'Disabled'] as const;

function unsupportedValue(value: string, key: string): string {
  return `${key} with value: ${JSON.stringify(value)} in config-network ConfigMap is not supported`;
}

/** `config-network` (serving specification §7): hosts, who serves them, and how. */
export const networkKeys = {
  ingressClass: text('ingress-class', {
    fallback: INGRESS_CLASS,
    aliases: ['ingress.class'],
    about: 'Who serves the hosts of routes that do not say.',
  }),
  certificateClass: text('certificate-class', {
    fallback: CERTIFICATE_CLASS,
    aliases: ['certificate.class'],
    about: 'Who provides the certificates of routes that do not say.',
  }),
  wildcardNamespaces: namespaceSelector('namespace-wildcard-cert-selector', {
    fallback: '',
    about: 'Namespaces that have one certificate for all their hosts: a label selector in YAML.',
  }),
  domainTemplate: template('domain-template', {
    fallback: '{{.Name}}.{{.Namespace}}.{{.Domain}}',
    aliases: ['domainTemplate'],
    about:
      'Hosts of routes: a Go template that sees Name, Namespace, Domain, Labels and Annotations.',
    sample: {
      Name: 'foo',
      Namespace: 'bar',
      Domain: 'baz.com',
      Labels: new Map(),
      Annotations: new Map(),
    },
  }),
  tagTemplate: template('tag-template', {
    fallback: '{{.Tag}}-{{.Name}}',
    aliases: ['tagTemplate'],
    about: 'The Name of the above for a tag of a route: a Go template that sees Tag and Name.',
    sample: { Tag: 'v2', Name: 'foo' },
  }),
  externalDomainTls: choice('external-domain-tls', {
    fallback: 'Disabled',
    aliases: ['auto-tls', 'autoTLS'],
    words: ON_OFF,
    about: 'Whether hosts outside the cluster get certificates.',
  }),
  clusterLocalDomainTls: choice('cluster-local-domain-tls', {
    fallback: 'Disabled',
    words: ON_OFF,
    refusal: unsupportedValue,
    about: 'Whether hosts inside the cluster get certificates.',
  }),
  systemInternalTls: choice('system-internal-tls', {
    fallback: 'Disabled',
    words: ON_OFF,
    refusal: unsupportedValue,
    about: 'Whether requests are encrypted on their way to pods.',
  }),
  internalEncryption: flag('internal-encryption', {
    fallback: 'false',
    about: 'The same in the spelling of before: true is Enabled.',
  }),
  httpProtocol: choice('http-protocol', {
    fallback: 'Enabled',
    aliases: ['httpProtocol'],
    words: ['Enabled', 'Redirected', 'Disabled'],
    refusal: (value) => `httpProtocol ${value} in config-network ConfigMap is not supported`,
    about: 'What becomes of requests without TLS where a host has it.',
  }),
  rolloutDurationSeconds: integer('rollout-duration', {
    fallback: '0',
    aliases: ['rolloutDuration'],
    about: 'Seconds over which traffic goes to a new revision bit by bit; 0: at once.',
  }),
  createsDomainClaims: flag('autocreate-cluster-domain-claims', {
    fallback: 'false',
    aliases: ['autocreateClusterDomainClaims'],
    about: 'Whether whoever maps a domain first has it.',
  }),
  hasMeshPodAddressability: flag('enable-mesh-pod-addressability', {
    fallback: 'false',
    about: 'Whether a service mesh lets pods be reached by their addresses.',
  }),
  meshCompatibilityMode: choice('mesh-compatibility-mode', {
    fallback: 'auto',
    words: ['auto', 'enabled', 'disabled'],
    about: 'Whether pods are reached by their Service because a mesh is in the way.',
  }),
  externalScheme: choice('default-external-scheme', {
    fallback: 'http',
    aliases: ['defaultExternalScheme'],
    words: ['http', 'https'],
    about: 'What URLs outside the cluster begin with where nothing else decides.',
  }),
} as const;

export type NetworkConfig = ValuesOf<typeof networkKeys>;

/** Throws ConfigError. */
export function parseNetworkConfig(data: ConfigData): NetworkConfig {
  const said = readKeys(networkKeys, data);
  const systemInternalTls = said.internalEncryption ? 'Enabled' : said.systemInternalTls;
  const config = { ...said, systemInternalTls } as const;
  const { rolloutDurationSeconds } = config;
  if (rolloutDurationSeconds < 0) {
    throw new ConfigError(
      `rollout-duration must be a positive integer, but was ${rolloutDurationSeconds}`,
    );
  }
  refuseHost(config.domainTemplate.execute(networkKeys.domainTemplate.sample));
  return config;
}

/** Throws ConfigError where a template makes no host, in the words that Go has for URLs. */
function refuseHost(text: string): void {
  const url = `https://${text}`;
  const [, host = '', rest = ''] = /^([^/?#]*)(.*)$/s.exec(text) ?? [];
  const [, name = '', port] = /^([^:]*)(:.*)?$/s.exec(host) ?? [];
  if (/\s/.test(host)) {
    throw new ConfigError(`parse ${JSON.stringify(url)}: invalid character " " in host name`);
  }
  if (port !== undefined && !/^:\d*$/.test(port)) {
    throw new ConfigError(
      `parse ${JSON.stringify(url)}: invalid port ${JSON.stringify(port)} after host`,
    );
  }
  if (name === '' || !URL.canParse(url)) throw new ConfigError('empty hostname');
  if (rest !== '' && rest !== '/') {
    throw new ConfigError(
      `domain template has url path: ${rest.startsWith('/') ? rest : `/${rest}`}`,
    );
  }
}

/** A label selector, as objects have them. */
export interface NamespaceSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly matchExpressions: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values: readonly string[];
  }[];
}

/** Undefined where nothing is said, which selects nobody; `{}` selects everybody. */
function namespaceSelector(
  name: string,
  options: { readonly fallback: string; readonly about: string },
): ConfigKey<NamespaceSelector | undefined> {
  return keyOf(name, options, (value, at) => {
    if (value.trim() === '') return undefined;
    const { matchLabels, matchExpressions, ...others } = Object.fromEntries(yamlEntries(value, at));
    const [other] = Object.keys(others);
    if (other !== undefined) throw new ConfigError(`${at}: unknown field "${other}"`);
    return {
      matchLabels: Object.fromEntries(selectorOf(matchLabels, `${at}: matchLabels`)),
      matchExpressions: expressionsOf(matchExpressions ?? [], `${at}: matchExpressions`),
    };
  });
}

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

function expressionsOf(value: unknown, at: string): NamespaceSelector['matchExpressions'] {
  if (!Array.isArray(value)) throw new ConfigError(`${at}: not a list`);
  return value.map((item: unknown) => {
    const { key, operator, values = [] } = Object.fromEntries(entriesOf(item, at));
    const isFit =
      typeof key === 'string' &&
      typeof operator === 'string' &&
      OPERATORS.includes(operator) &&
      Array.isArray(values) &&
      values.every((each) => typeof each === 'string');
    if (isFit) return { key, operator, values };
    const wanted = `a key, one of the operators ${OPERATORS.join(', ')}, and values`;
    throw new ConfigError(`${at}: ${JSON.stringify(item)}, wanted ${wanted}`);
  });
}

interface TemplateOptions {
  readonly fallback: string;
  readonly about: string;
  readonly aliases: readonly string[];
  /** What the template is tried with, so that a wrong one is refused when it is written. */
  readonly sample: Parameters<GoTemplate['execute']>[0];
}

function template(
  name: string,
  options: TemplateOptions,
): ConfigKey<GoTemplate> & Pick<TemplateOptions, 'sample'> {
  const { sample } = options;
  const key = keyOf(name, options, (value) => triedTemplate(value, { called: name, sample }));
  return { ...key, sample };
}
