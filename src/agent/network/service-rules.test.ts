import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Service } from '#api/core-v1/service.ts';
import { changedTable, wholeTable } from '#agent/network/nft-table.ts';
import { mergeRules, rulesOf, type ServiceRules } from '#agent/network/service-rules.ts';

const ranges = { pods: '10.8.0.0/16', services: '10.9.0.0/16', podFacing: '10.8.0.1' };
const frame = {
  instance: 'abc',
  ranges,
  openPorts: { tcp: [53, 6443], udp: [53] },
  listen: [] as readonly string[],
};
const node = { ...ranges, nodeName: 'here', ownPorts: new Set(['tcp/6443']) };

type Spec = NonNullable<Service['spec']>;
type Endpoint = EndpointSlice['endpoints'][number];

const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];

function service(spec: Spec, status: Service['status'] = {}): Service {
  const metadata = { namespace: 'a', name: 'web', uid: 'u1' };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports, ...spec }, status };
}

function slice(endpoints: readonly (string | Endpoint)[]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'a', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: endpoints.map((one) =>
      typeof one === 'string' ? { addresses: [one], conditions: { ready: true } } : one,
    ),
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

function rules(spec: Spec, endpoints: readonly (string | Endpoint)[]): ServiceRules {
  return rulesOf(service(spec), [slice(endpoints)], node);
}

/** Where a packet to `frontend` may be sent. */
function places({ elements, chains }: ServiceRules, frontend: string): readonly string[] {
  const chain = (elements.get(frontend) ?? '').replace('goto ', '');
  const lines = chains.get(chain) ?? [];
  return lines.flatMap((line) => line.match(/10\.\d+\.\d+\.\d+/g) ?? []);
}

const CLUSTER_IP = 'services 10.9.0.5 . tcp . 80';

test('rules: one endpoint is translated to, several are balanced', () => {
  const one = rules({ clusterIP: '10.9.0.5' }, ['10.8.0.2']);
  assert.deepEqual(one.chains.get('service_u1_tcp_80'), ['meta l4proto tcp dnat to 10.8.0.2:8080']);
  assert.equal(one.elements.get(CLUSTER_IP), 'goto service_u1_tcp_80');
  const two = rules({ clusterIP: '10.9.0.5' }, ['10.8.0.2', '10.8.0.3']);
  assert.match(
    two.chains.get('service_u1_tcp_80')?.[0] ?? '',
    /numgen random mod 2 map \{ 0 : 10\.8\.0\.2 \. 8080, 1 : 10\.8\.0\.3 \. 8080 \}/,
  );
  assert.ok(two.elements.has('looped 10.8.0.3 . 10.8.0.3'), 'a pod may reach itself');
});

test('rules: nothing is translated where nobody serves, and nothing unlawful gets through', () => {
  const clusterIP = '10.9.0.5';
  const cases: Record<string, ServiceRules> = {
    headless: rules({ clusterIP: 'None' }, ['10.8.0.2']),
    'no endpoints': rules({ clusterIP }, []),
    'another port': rules({ clusterIP, ports: [{ name: 'grpc', port: 81 }] }, ['10.8.0.2']),
    'an address that is none': rules({ clusterIP: '10.9.0.5; flush ruleset' }, ['10.8.0.2']),
    'a port that is none': rules({ clusterIP, ports: [{ name: 'http', port: 70_000 }] }, [
      '10.8.0.2',
    ]),
    'an endpoint that is none': rules({ clusterIP }, [
      '10.8.0.2 }',
      '169.254.169.254',
      '127.0.0.1',
    ]),
    sctp: rules({ clusterIP, ports: [{ name: 'http', port: 80, protocol: 'SCTP' }] }, ['10.8.0.2']),
    'external name': rules({ type: 'ExternalName', externalName: 'example.com' }, ['10.8.0.2']),
  };
  for (const [name, { elements }] of Object.entries(cases)) {
    assert.deepEqual(
      [...elements.keys()].filter((key) => !key.startsWith('looped')),
      [],
      name,
    );
  }
});

test('rules: ready endpoints, else those that end and still serve', () => {
  const ending = { ready: false, serving: true, terminating: true };
  const all: Endpoint[] = [
    { addresses: ['10.8.0.2'], conditions: ending },
    { addresses: ['10.8.0.3'], conditions: { ready: false, serving: false, terminating: false } },
    { addresses: ['10.8.0.4'] },
  ];
  const clusterIP = '10.9.0.5';
  assert.deepEqual(places(rules({ clusterIP }, all), CLUSTER_IP), ['10.8.0.4']);
  assert.deepEqual(places(rules({ clusterIP }, all.slice(0, 2)), CLUSTER_IP), ['10.8.0.2']);
  assert.deepEqual(places(rules({ clusterIP }, all.slice(1, 2)), CLUSTER_IP), []);
});

test('rules: node ports, and the one address of every LoadBalancer, but never a port of the platform', () => {
  const spec = {
    type: 'LoadBalancer',
    clusterIP: '10.9.0.5',
    ports: [
      { name: 'http', port: 80, nodePort: 30_080 },
      { name: 'http', port: 6443, nodePort: 30_081, protocol: 'TCP' },
    ],
  };
  const ingress = [{ ip: '10.8.0.1' }, { ip: '8.8.8.8' }];
  const given = service(spec, { loadBalancer: { ingress } });
  const { elements } = rulesOf(given, [slice(['10.8.0.2'])], node);
  assert.deepEqual(
    [...elements.keys()].filter((key) => /^services|^node_ports/.test(key)),
    [
      CLUSTER_IP,
      'node_ports tcp . 30080',
      'services 10.8.0.1 . tcp . 80',
      'services 10.9.0.5 . tcp . 6443',
      'node_ports tcp . 30081',
    ],
  );
});

test('rules: a LoadBalancer with source ranges drops all others', () => {
  const spec = { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.8.7.1/24', 'nonsense'] };
  const given = service(spec, { loadBalancer: { ingress: [{ ip: '10.8.0.1' }] } });
  const { elements, chains } = rulesOf(given, [slice(['10.8.0.2'])], node);
  assert.equal(elements.get('services 10.8.0.1 . tcp . 80'), 'goto from_u1_tcp_80');
  assert.deepEqual(chains.get('from_u1_tcp_80'), [
    'ip saddr 10.8.7.0/24 goto service_u1_tcp_80',
    'drop',
  ]);
});

test('rules: a Local policy keeps to this node', () => {
  const all: Endpoint[] = [
    { addresses: ['10.8.0.2'], nodeName: 'here' },
    { addresses: ['10.7.0.3'], nodeName: 'there' },
  ];
  const spec = {
    type: 'NodePort',
    clusterIP: '10.9.0.5',
    ports: [{ name: 'http', port: 80, nodePort: 30_080 }],
    externalTrafficPolicy: 'Local',
  };
  const given = rules(spec, all);
  assert.deepEqual(places(given, CLUSTER_IP), ['10.8.0.2', '10.7.0.3']);
  assert.deepEqual(places(given, 'node_ports tcp . 30080'), ['10.8.0.2']);
  assert.ok(given.elements.has('outside 10.7.0.3 . tcp . 8080'), 'and is answered by way of us');
});

test('rules: with affinity a client stays with its endpoint for so long', () => {
  const sessionAffinityConfig = { clientIP: { timeoutSeconds: 600 } };
  const spec = { clusterIP: '10.9.0.5', sessionAffinity: 'ClientIP', sessionAffinityConfig };
  const { chains, sets } = rules(spec, ['10.8.0.2', '10.8.0.3']);
  const [first = ''] = sets.keys();
  assert.equal(first, 'clients_u1_tcp_80_10.8.0.2_8080_600');
  assert.match(sets.get(first) ?? '', /timeout 600s/);
  assert.deepEqual(chains.get('endpoint_u1_tcp_80_10.8.0.2_8080'), [
    `update @${first} { ip saddr }`,
    'meta l4proto tcp dnat to 10.8.0.2:8080',
  ]);
  assert.equal(
    chains.get('service_u1_tcp_80')?.[0],
    `ip saddr @${first} goto endpoint_u1_tcp_80_10.8.0.2_8080`,
  );
});

test('table: a change is told as what changes, and nothing where nothing does', () => {
  const spec = { clusterIP: '10.9.0.5' };
  const from = mergeRules([rules(spec, ['10.8.0.2'])]);
  const to = mergeRules([rules(spec, ['10.8.0.3'])]);
  assert.equal(changedTable(frame, { from, to: from }), '');
  assert.deepEqual(changedTable(frame, { from, to }).trim().split('\n'), [
    'add chain ip knode_abc service_u1_tcp_80',
    'flush chain ip knode_abc service_u1_tcp_80',
    'add rule ip knode_abc service_u1_tcp_80 meta l4proto tcp dnat to 10.8.0.3:8080',
    'delete element ip knode_abc looped { 10.8.0.2 . 10.8.0.2 }',
    'add element ip knode_abc looped { 10.8.0.3 . 10.8.0.3 }',
  ]);
  assert.deepEqual(
    changedTable(frame, { from, to: mergeRules([]) })
      .trim()
      .split('\n'),
    [
      'flush chain ip knode_abc service_u1_tcp_80',
      'delete element ip knode_abc looped { 10.8.0.2 . 10.8.0.2 }',
      'delete element ip knode_abc services { 10.9.0.5 . tcp . 80 : goto service_u1_tcp_80 }',
      'delete chain ip knode_abc service_u1_tcp_80',
    ],
  );
});

test('table: pods reach the open ports of one address only', () => {
  const text = wholeTable(frame, mergeRules([]));
  assert.match(text, /ip daddr 10\.8\.0\.1 tcp dport \{ 53, 6443 \} accept/);
  assert.match(text, /iifname != "knabc-\*" accept/);
});
