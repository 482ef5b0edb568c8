import { selectorOf, yamlEntries, type ConfigData } from '#api/serving-config/config-key.ts';

/** A domain, and whose hosts are in it. */
interface DomainEntry {
  readonly domain: string;
  /** Labels that a route must have; none where the domain is for all. */
  readonly selector: ReadonlyMap<string, string>;
  readonly isWildcard: boolean;
}

/** `config-domain` (serving specification §7): the most specific entries first, equals by their names. */
export type DomainConfig = readonly DomainEntry[];

export const domainExample = `# Each key is a domain. Without a value it is for every route:
example.com: ""

# With a selector it is for routes that have these labels; of several the one with most labels counts.
example.org: |
  selector:
    app: nonprofit
`;

/** Throws ConfigError. */
export function parseDomainConfig(data: ConfigData): DomainConfig {
  return Object.entries(data)
    .filter(([domain]) => !domain.startsWith('_'))
    .map(([domain, value]) => entryOf(domain, value))
    .toSorted((a, b) => b.selector.size - a.selector.size || (a.domain < b.domain ? -1 : 1));
}

/** Of the domain for a route with these labels; undefined where no entry is for it. */
export function domainFor(
  config: DomainConfig,
  labels: Readonly<Record<string, string>>,
): string | undefined {
  const entry = config.find(({ selector }) =>
    [...selector].every(([key, value]) => labels[key] === value),
  );
  return entry?.domain;
}

/** Domains whose hosts may share a certificate in each namespace. */
export function wildcardDomains(config: DomainConfig): readonly string[] {
  return config.filter(({ isWildcard }) => isWildcard).map(({ domain }) => domain);
}

function entryOf(domain: string, text: string): DomainEntry {
  const at = `domain ${domain}`;
  const fields = new Map(yamlEntries(text, at));
  const selector = selectorOf(fields.get('selector'), `${at}: selector`);
  return { domain, selector, isWildcard: selector.size === 0 || fields.get('type') === 'wildcard' };
}
