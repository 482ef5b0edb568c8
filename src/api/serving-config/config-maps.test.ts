import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { domainFor, parseDomainConfig } from '#api/serving-config/config-domain.ts';
import type { ConfigData } from '#api/serving-config/config-key.ts';
import {
  checksumOf,
  configMapComplaint,
  configMapSeeds,
  defaultSettings,
  withConfigMap,
  type ServingSettings,
} from '#api/serving-config/config-maps.ts';

/** Each line: what a ConfigMap says, and why it may not. */
for (const [name, data, expected] of [
  ['config-autoscaler', {}, undefined],
  ['config-autoscaler', { 'nobody-knows': 'x' }, undefined],
  [
    'config-autoscaler',
    { 'stable-window': 'x' },
    'failed to parse data: failed to parse "stable-window": time: invalid duration "x"',
  ],
  [
    'config-autoscaler',
    { 'stable-window': '60' },
    'failed to parse data: failed to parse "stable-window": time: missing unit in duration "60"',
  ],
  [
    'config-autoscaler',
    { 'stable-window': '5s' },
    'stable-window = 5s, must be in [6s; 1h0m0s] range',
  ],
  [
    'config-autoscaler',
    { 'stable-window': '7500ms' },
    'stable-window = 7.5s, must be specified with at most second precision',
  ],
  [
    'config-autoscaler',
    { 'max-scale-up-rate': 'x' },
    'failed to parse data: failed to parse "max-scale-up-rate": strconv.ParseFloat: parsing "x": invalid syntax',
  ],
  [
    'config-autoscaler',
    { 'max-scale-up-rate': '1' },
    'max-scale-up-rate = 1, must be greater than 1.0',
  ],
  [
    'config-autoscaler',
    { 'max-scale-down-rate': '1' },
    'max-scale-down-rate = 1, must be greater than 1.0',
  ],
  [
    'config-autoscaler',
    { 'container-concurrency-target-percentage': '0' },
    'container-concurrency-target-percentage = 0.000000 is outside of valid range of (0, 100]',
  ],
  ['config-autoscaler', { 'container-concurrency-target-percentage': '0.5' }, undefined],
  [
    'config-autoscaler',
    {
      'container-concurrency-target-percentage': '1',
      'container-concurrency-target-default': '0.001',
    },
    "container-concurrency-target-percentage and container-concurrency-target-default yield target concurrency of 0.001, can't be less than 0.01",
  ],
  [
    'config-autoscaler',
    { 'requests-per-second-target-default': '0' },
    'requests-per-second-target-default must be at least 0.01, was: 0',
  ],
  ['config-autoscaler', { 'target-burst-capacity': '-1' }, undefined],
  [
    'config-autoscaler',
    { 'target-burst-capacity': '-2' },
    'target-burst-capacity must be either non-negative or -1 (for unlimited), was: -2.000000',
  ],
  [
    'config-autoscaler',
    { 'panic-window-percentage': '0.5' },
    'panic-window-percentage = 0.5, must be in [1, 100] interval',
  ],
  [
    'config-autoscaler',
    { 'enable-scale-to-zero': 'perhaps' },
    'failed to parse data: failed to parse "enable-scale-to-zero": strconv.ParseBool: parsing "perhaps": invalid syntax',
  ],
  [
    'config-autoscaler',
    { 'scale-to-zero-grace-period': '0s' },
    'scale-to-zero-grace-period must be positive, was: 0s',
  ],
  [
    'config-autoscaler',
    { 'scale-to-zero-pod-retention-period': '-1s' },
    'scale-to-zero-pod-retention-period cannot be negative, was: -1s',
  ],
  [
    'config-autoscaler',
    { 'scale-down-delay': '-1m30s' },
    'scale-down-delay cannot be negative, was: -1m30s',
  ],
  [
    'config-autoscaler',
    { 'scale-down-delay': '10ms' },
    'scale-down-delay = 10ms, must be specified with at most second precision',
  ],
  [
    'config-autoscaler',
    { 'activator-capacity': '0.5' },
    'activator-capacity = 0.5, must be at least 1',
  ],
  [
    'config-autoscaler',
    { 'initial-scale': '0' },
    'initial-scale = 0, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)',
  ],
  ['config-autoscaler', { 'initial-scale': '0', 'allow-zero-initial-scale': 'true' }, undefined],
  [
    'config-autoscaler',
    { 'initial-scale': '1.5' },
    'failed to parse data: failed to parse "initial-scale": strconv.ParseInt: parsing "1.5": invalid syntax',
  ],
  [
    'config-autoscaler',
    { 'max-scale': '20', 'max-scale-limit': '10' },
    'max-scale = 20, must be in [1, max-scale-limit(10)] range',
  ],
  ['config-autoscaler', { 'max-scale-limit': '-1' }, 'max-scale-limit = -1, must be at least 0'],
  [
    'config-autoscaler',
    { 'min-scale': '3', 'max-scale': '2' },
    'min-scale (3) must be less than max-scale (2)',
  ],
  [
    'config-defaults',
    { 'revision-timeout-seconds': '700' },
    'revision-timeout-seconds (700) cannot be greater than max-revision-timeout-seconds (600)',
  ],
  [
    'config-defaults',
    { 'max-revision-timeout-seconds': '700', 'revision-timeout-seconds': '700' },
    undefined,
  ],
  [
    'config-defaults',
    { 'revision-idle-timeout-seconds': '301' },
    'revision-idle-timeout-seconds (301) cannot be greater than revision-timeout-seconds (300)',
  ],
  [
    'config-defaults',
    { 'revision-response-start-timeout-seconds': '301' },
    'revision-response-start-timeout-seconds (301) cannot be greater than revision-timeout-seconds (300)',
  ],
  [
    'config-defaults',
    { 'container-concurrency': '1001' },
    'expected 0 <= 1001 <= 1000: container-concurrency',
  ],
  [
    'config-defaults',
    { 'container-concurrency-max-limit': '0' },
    'expected 1 <= 0 <= 2147483647: container-concurrency-max-limit',
  ],
  [
    'config-defaults',
    { 'container-name-template': '{{.Nobody}}' },
    "error executing template: template: container-template: can't evaluate field Nobody",
  ],
  ['config-defaults', { 'enable-service-links': 'perhaps' }, undefined],
  [
    'config-defaults',
    { 'revision-cpu-request': 'much' },
    `failed to parse "revision-cpu-request": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
  ],
  ['config-deployment', { 'queue-sidecar-image': 'queue', progressDeadline: '30s' }, undefined],
  [
    'config-deployment',
    { 'progress-deadline': '0s' },
    'progress-deadline cannot be a non-positive duration, was 0s',
  ],
  [
    'config-deployment',
    { 'progress-deadline': '1500ms' },
    'progress-deadline must be rounded to a whole second, was: 1.5s',
  ],
  [
    'config-deployment',
    { 'digest-resolution-timeout': '-1s' },
    'digest-resolution-timeout cannot be a non-positive duration, was -1s',
  ],
  [
    'config-deployment',
    { 'default-affinity-type': 'near' },
    'unsupported default-affinity-type value: "near"',
  ],
  [
    'config-deployment',
    { 'runtime-class-name': 'gvisor: { selector: { use: gvisor } }\nkata:' },
    undefined,
  ],
  [
    'config-deployment',
    { 'runtime-class-name': '[]' },
    'runtime-class-name cannot be parsed, please check the format: [], wanted keys and values',
  ],
  ['config-domain', { 'example.com': '', 'example.org': 'selector: { app: a }' }, undefined],
  [
    'config-domain',
    { 'example.org': 'selector: { app: [] }' },
    'domain example.org: selector.app: [], wanted a text',
  ],
  ['config-domain', { 'example.org': '[' }, /^domain example\.org: Flow sequence/],
  ['config-features', { 'multi-container': 'perhaps' }, undefined],
  [
    'config-gc',
    { 'max-non-active-revisions': 'Disabled', 'min-non-active-revisions': '2000' },
    undefined,
  ],
  [
    'config-gc',
    { 'min-non-active-revisions': '2000' },
    'min-non-active-revisions(2000) must be <= max-non-active-revisions(1000)',
  ],
  [
    'config-gc',
    { 'min-non-active-revisions': '-1' },
    'min-non-active-revisions must be non-negative, was: -1',
  ],
  [
    'config-gc',
    { 'retain-since-create-time': '-1s' },
    'failed to parse retain-since-create-time: must be non-negative',
  ],
  [
    'config-network',
    { 'http-protocol': 'redirected', domainTemplate: '{{.Name}}-{{.Namespace}}.{{.Domain}}' },
    undefined,
  ],
  [
    'config-network',
    { 'http-protocol': 'sometimes' },
    'httpProtocol sometimes in config-network ConfigMap is not supported',
  ],
  [
    'config-network',
    { 'domain-template': '{{.Name}}.{{.Domain}}/{{.Namespace}}' },
    'domain template has url path: /bar',
  ],
  ['config-network', { 'domain-template': '' }, 'empty hostname'],
  [
    'config-network',
    { 'domain-template': '{{.Nobody}}' },
    "template: domain-template: can't evaluate field Nobody",
  ],
  ['config-network', { 'tag-template': '{{.Tag' }, 'template: tag-template:1: unclosed action'],
  [
    'config-network',
    { 'rollout-duration': '-5' },
    'rollout-duration must be a positive integer, but was -5',
  ],
  [
    'config-observability',
    { 'metrics-protocol': 'grpc' },
    'endpoint should be set when protocol is "grpc"',
  ],
  [
    'config-observability',
    { 'tracing-endpoint': 'a:1' },
    "endpoint should not be set when protocol is 'none'",
  ],
  [
    'config-observability',
    { 'tracing-protocol': 'carrier-pigeon' },
    'unsupported protocol "carrier-pigeon"',
  ],
  [
    'config-observability',
    { 'tracing-sampling-rate': '2' },
    'sampling rate 2.000000 should be less than or equal to one',
  ],
  ['config-leader-election', { buckets: '11' }, 'buckets: value must be between 1 <= 11 <= 10'],
  [
    'config-leader-election',
    { 'renew-deadline': '20s' },
    'lease-duration 15s should be more than renew-deadline 20s, which should be more than retry-period 2s, which should be more than 0s',
  ],
  ['config-logging', { 'loglevel.controller': 'loud' }, 'invalid logging level: loud'],
  ['config-logging', { 'zap-logger-config': '{' }, /^zap-logger-config: /],
  ['config-certmanager', { issuerRef: 'kind: ClusterIssuer\nname: ca' }, undefined],
  ['config-certmanager', { issuerRef: 'ca' }, 'issuerRef: "ca", wanted keys and values'],
  [
    'config-autoscaler',
    { 'stable-window': '1Gi' },
    'failed to parse data: failed to parse "stable-window": time: unknown unit "Gi" in duration "1Gi"',
  ],
  [
    'config-autoscaler',
    { 'max-scale': '2147483648' },
    'failed to parse data: failed to parse "max-scale": strconv.ParseInt: parsing "2147483648": value out of range',
  ],
  ['config-autoscaler', { 'min-scale': '-1' }, 'min-scale = -1, must be at least 0'],
  ['config-defaults', { 'revision-timeout-seconds': '-1' }, undefined],
  [
    'config-defaults',
    { 'revision-memory-limit': '' },
    `failed to parse "revision-memory-limit": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
  ],
  [
    'config-defaults',
    { 'allow-container-concurrency-zero': 'no' },
    'failed to parse "allow-container-concurrency-zero": strconv.ParseBool: parsing "no": invalid syntax',
  ],
  [
    'config-defaults',
    { 'init-container-name-template': '{{.Name' },
    'template: container-template:1: unclosed action',
  ],
  [
    'config-deployment',
    { 'queue-sidecar-image': '' },
    'queue-sidecar-image cannot be empty or unset',
  ],
  ['config-deployment', { queueSidecarImage: '' }, 'queue-sidecar-image cannot be empty or unset'],
  [
    'config-deployment',
    { 'pod-is-always-schedulable': 'maybe' },
    'failed to parse "pod-is-always-schedulable": strconv.ParseBool: parsing "maybe": invalid syntax',
  ],
  [
    'config-deployment',
    { 'runtime-class-name': 'Bad_Name: {}' },
    /^runtime-class-name Bad_Name selector not valid DNSSubdomain: \[a lowercase RFC 1123/,
  ],
  ['config-domain', { 'example.org': 'selector: { app: 1 }' }, undefined],
  ['config-features', { 'secure-pod-defaults': 'allowrootbounded', nobody: 'x' }, undefined],
  [
    'config-gc',
    { 'retain-since-last-active-time': '1' },
    'failed to parse retain-since-last-active-time: time: missing unit in duration "1"',
  ],
  ['config-gc', { 'retain-since-create-time': '', 'max-non-active-revisions': ' 30 ' }, undefined],
  [
    'config-gc',
    { 'max-non-active-revisions': '-1' },
    'failed to parse max-non-active-revisions: strconv.ParseUint: parsing "-1": invalid syntax',
  ],
  [
    'config-gc',
    { 'min-non-active-revisions': 'few' },
    'failed to parse data: failed to parse "min-non-active-revisions": strconv.ParseInt: parsing "few": invalid syntax',
  ],
  [
    'config-leader-election',
    { buckets: '-1' },
    'failed to parse "buckets": strconv.ParseUint: parsing "-1": invalid syntax',
  ],
  ['config-logging', { 'loglevel.somebody': 'loud' }, 'invalid logging level: loud'],
  ['config-logging', { 'loglevel.activator': '', 'loglevel.webhook': 'Warning' }, undefined],
  ['config-network', { 'http-protocol': '', 'default-external-scheme': '' }, undefined],
  [
    'config-network',
    { 'cluster-local-domain-tls': 'on' },
    'cluster-local-domain-tls with value: "on" in config-network ConfigMap is not supported',
  ],
  [
    'config-network',
    { 'system-internal-tls': 'on' },
    'system-internal-tls with value: "on" in config-network ConfigMap is not supported',
  ],
  [
    'config-network',
    { 'internal-encryption': '' },
    'failed to parse "internal-encryption": strconv.ParseBool: parsing "": invalid syntax',
  ],
  [
    'config-network',
    { 'domain-template': '{{.Name}} {{.Domain}}' },
    'parse "https://foo baz.com": invalid character " " in host name',
  ],
  [
    'config-network',
    { 'domain-template': '{{.Domain}}:{{.Name}}' },
    'parse "https://baz.com:foo": invalid port ":foo" after host',
  ],
  [
    'config-network',
    { 'default-external-scheme': 'ftp' },
    'unsupported default-external-scheme value: "ftp", wanted one of http, https',
  ],
  [
    'config-observability',
    { 'request-metrics-protocol': 'Prometheus' },
    'unsupported protocol "Prometheus"',
  ],
  [
    'config-observability',
    { 'metrics-export-interval': '-1s' },
    'export interval "-1s" should be greater than zero',
  ],
  ['config-observability', { 'runtime-profiling': 'on' }, 'unsupported profile setting "on"'],
  [
    'config-observability',
    { 'tracing-protocol': 'grpc' },
    'endpoint should be set for protocol "grpc"',
  ],
  [
    'config-observability',
    { 'tracing-sampling-rate': '-0.5' },
    'sampling rate -0.500000 should be greater or equal to zero',
  ],
  [
    'config-observability',
    { 'logging.enable-request-log': 'true', 'logging.request-log-template': '' },
    '"logging.enable-request-log" was set to true, but no "logging.request-log-template" was specified',
  ],
  ['config-tracing', { backend: 'zipkin' }, undefined],
  ['config-of-somebody', { 'stable-window': 'x' }, undefined],
] as const satisfies readonly (readonly [string, ConfigData, string | RegExp | undefined])[]) {
  test(`${name}: ${JSON.stringify(data)} ${expected === undefined ? 'is taken' : 'is refused'}`, () => {
    const complaint = configMapComplaint({ metadata: { name }, data });
    if (expected instanceof RegExp) assert.match(complaint ?? '', expected);
    else assert.equal(complaint, expected);
  });
}

/** Templates are functions, which are equal to nothing. */
const shown = (settings: ServingSettings): string => JSON.stringify(settings);

test('config maps: what is seeded shows each key with what it is without it, and nothing else counts', () => {
  for (const { name, data, annotations } of configMapSeeds()) {
    assert.deepEqual(Object.keys(data), ['_example']);
    assert.equal(configMapComplaint({ metadata: { name, annotations }, data }), undefined);
    assert.equal(shown(withConfigMap(defaultSettings, name, data)), shown(defaultSettings));
    if (name === 'config-domain') continue;
    const copied = (parse(data['_example'] ?? '') ?? {}) as ConfigData;
    const settings = withConfigMap(defaultSettings, name, copied);
    assert.equal(shown(settings), shown(defaultSettings), name);
  }
});

test('config maps: what an older server stored without a text is as if nobody said it, though it is refused today', () => {
  for (const { name, data } of configMapSeeds()) {
    if (name === 'config-domain') continue;
    // What is in a comment today was none, and was copied from there.
    const example = data['_example']?.replaceAll(/^# (?=\S+: ""$)/gm, '') ?? '';
    const copied = (parse(example) ?? {}) as ConfigData;
    const settings = withConfigMap(defaultSettings, name, copied);
    assert.equal(shown(settings), shown(defaultSettings), name);
    const isRefused = name === 'config-defaults' || name === 'config-deployment';
    assert.equal(configMapComplaint({ metadata: { name }, data: copied }) !== undefined, isRefused);
  }
  const stored = { 'revision-cpu-request': '', 'revision-timeout-seconds': '7' };
  const { defaults } = withConfigMap(defaultSettings, 'config-defaults', stored);
  assert.deepEqual([defaults.cpuRequest, defaults.timeoutSeconds], [undefined, 7]);
});

test('config-logging: who has no level of its own has that of zap', () => {
  const levels = (data: ConfigData): readonly string[] => {
    const { controller, activator } = withConfigMap(
      defaultSettings,
      'config-logging',
      data,
    ).logging;
    return [controller, activator];
  };
  assert.deepEqual(levels({}), ['info', 'info']);
  const zap = { 'zap-logger-config': '{"level": "error", "encoding": "json"}' };
  assert.deepEqual(levels(zap), ['error', 'error']);
  assert.deepEqual(levels({ ...zap, 'loglevel.controller': 'debug', 'loglevel.activator': '' }), [
    'debug',
    'error',
  ]);
});

test('config-network: internal-encryption is the spelling of before of system-internal-tls', () => {
  const mode = (data: ConfigData): string =>
    withConfigMap(defaultSettings, 'config-network', data).network.systemInternalTls;
  assert.equal(mode({ 'internal-encryption': 'true' }), 'Enabled');
  assert.equal(
    mode({ 'internal-encryption': 'true', 'system-internal-tls': 'Disabled' }),
    'Enabled',
  );
  assert.equal(
    mode({ 'internal-encryption': 'false', 'system-internal-tls': 'enabled' }),
    'Enabled',
  );
  assert.equal(mode({ 'internal-encryption': 'false' }), 'Disabled');
});

test('config maps: an example that somebody edited in place is refused, as its author meant something else', () => {
  // CRC-32 of `a: "1"\nb: "2"` with a backslash and an n where the lines break.
  assert.equal(checksumOf('\na: "1"\n\n\nb: "2"\n'), 'c4fec53e');
  const metadata = {
    name: 'config-gc',
    annotations: { 'knative.dev/example-checksum': checksumOf('a') },
  };
  assert.equal(configMapComplaint({ metadata, data: { _example: 'a\n' } }), undefined);
  assert.match(
    configMapComplaint({ metadata, data: { _example: 'b' } }) ?? '',
    /modifies a key in "_example"/,
  );
});

test('config-domain: the most specific entry counts, of equals the first by name, else one for all', () => {
  const config = parseDomainConfig({
    _example: 'x',
    'b.com': '',
    'a.com': '',
    'one.org': 'selector:\n  app: shop',
    'two.org': 'selector: { app: shop, stage: live }',
  });
  assert.equal(domainFor(config, {}), 'a.com');
  assert.equal(domainFor(config, { app: 'shop' }), 'one.org');
  assert.equal(domainFor(config, { app: 'shop', stage: 'live' }), 'two.org');
  assert.equal(
    domainFor(parseDomainConfig({ 'one.org': 'selector: { app: shop }' }), {}),
    undefined,
  );
});

test('config-observability: an endpoint that nobody could use is refused', () => {
  const complaint = (data: Record<string, string>): string | undefined =>
    configMapComplaint({ metadata: { name: 'config-observability' }, data });
  const accepted = [
    { 'metrics-protocol': 'prometheus' },
    { 'metrics-protocol': 'prometheus', 'metrics-endpoint': ':9095' },
    { 'metrics-protocol': 'prometheus', 'metrics-endpoint': '[::1]:9095' },
    { 'metrics-protocol': 'grpc', 'metrics-endpoint': 'collector.monitoring.svc:4317' },
    { 'tracing-protocol': 'http/protobuf', 'tracing-endpoint': 'http://10.0.0.1:4318/v1/traces' },
    { 'tracing-protocol': 'stdout', 'tracing-sampling-rate': '0.5' },
  ];
  for (const data of accepted) assert.equal(complaint(data), undefined, JSON.stringify(data));
  const refused: readonly (readonly [Record<string, string>, RegExp])[] = [
    [{ 'metrics-protocol': 'prometheus', 'metrics-endpoint': '9095' }, /should be "host:port"/],
    [{ 'metrics-protocol': 'prometheus', 'metrics-endpoint': 'a:99999' }, /should be "host:port"/],
    [{ 'metrics-protocol': 'grpc' }, /^endpoint should be set when protocol is "grpc"/],
    [
      { 'request-metrics-protocol': 'grpc', 'request-metrics-endpoint': 'ftp://x' },
      /^endpoint "ftp:\/\/x" for protocol "grpc" should be a URL/,
    ],
    [
      { 'tracing-protocol': 'stdout', 'tracing-endpoint': 'http://x' },
      /^endpoint should not be set when protocol is 'none'/,
    ],
  ];
  for (const [data, pattern] of refused) assert.match(complaint(data) ?? '', pattern);
});

test('config-observability: a template of the request log that no line could be made by is refused', () => {
  const complaint = (template: string): string | undefined =>
    configMapComplaint({
      metadata: { name: 'config-observability' },
      data: { 'logging.request-log-template': template },
    });
  for (const template of [
    '',
    '{{.Request.Method}} {{js .Request.UserAgent}} {{.Response.Code}} {{.TraceID}}',
    '{{.Request.Header.Get "X-Request-Id"}} {{index .Request.Header "Accept"}}',
    '{{if .Request.TLS}}https{{else}}http{{end}} {{.Response.PayloadSize}} {{.Revision.PodIP}}',
  ]) {
    assert.equal(complaint(template), undefined, template);
  }
  assert.match(
    complaint('{{.Request.Nobody}}') ?? '',
    /^template: requestLog: can't evaluate field Nobody/,
  );
  assert.match(complaint('{{.Request.Method') ?? '', /unclosed action/);
  assert.match(complaint('{{upper .Request.Method}}') ?? '', /function "upper" not defined/);
});
