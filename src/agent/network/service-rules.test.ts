import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Service } from '#api/core-v1/service.ts';
import { renderRules, type RuleInput } from '#agent/network/service-rules.ts';

const ranges = { pods: '10.8.0.0/16', services: '10.9.0.0/16', podFacing: '10.8.0.1' };

function service(spec: NonNullable<Service['spec']>): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'a', name: 'web' }, spec };
}

function slice(addresses: readonly string[], changes: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'a', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    ...changes,
  };
}

function render(changes: Partial<RuleInput>): string {
  const openPorts = { tcp: [53, 6443], udp: [53] };
  return renderRules({ instance: 'abc', ranges, openPorts, services: [], slices: [], ...changes });
}

const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];

test('rules: one endpoint is translated to, several are balanced', () => {
  const one = render({
    services: [service({ clusterIP: '10.9.0.5', ports })],
    slices: [slice(['10.8.0.2'])],
  });
  assert.match(one, /10\.9\.0\.5 \. tcp \. 80 : goto service_0/);
  assert.match(one, /dnat to 10\.8\.0\.2:8080/);
  const two = render({
    services: [service({ clusterIP: '10.9.0.5', ports })],
    slices: [slice(['10.8.0.2', '10.8.0.3'])],
  });
  assert.match(
    two,
    /numgen random mod 2 map \{ 0 : 10\.8\.0\.2 \. 8080, 1 : 10\.8\.0\.3 \. 8080 \}/,
  );
  assert.match(two, /10\.8\.0\.3 \. 10\.8\.0\.3/, 'a pod may reach itself');
});

test('rules: nothing is translated where nobody serves', () => {
  for (const [name, input] of Object.entries({
    headless: { services: [service({ clusterIP: 'None', ports })], slices: [slice(['10.8.0.2'])] },
    'no endpoints': { services: [service({ clusterIP: '10.9.0.5', ports })], slices: [] },
    'not ready': {
      services: [service({ clusterIP: '10.9.0.5', ports })],
      slices: [
        slice([], { endpoints: [{ addresses: ['10.8.0.2'], conditions: { ready: false } }] }),
      ],
    },
    'another port': {
      services: [service({ clusterIP: '10.9.0.5', ports: [{ name: 'grpc', port: 81 }] })],
      slices: [slice(['10.8.0.2'])],
    },
    'an address that is none': {
      services: [service({ clusterIP: '10.9.0.5; flush ruleset', ports })],
      slices: [slice(['10.8.0.2'])],
    },
  })) {
    assert.doesNotMatch(render(input), /dnat to/, name);
  }
});

test('rules: pods reach the open ports of one address only', () => {
  const rules = render({});
  assert.match(rules, /ip daddr 10\.8\.0\.1 tcp dport \{ 53, 6443 \} accept/);
  assert.match(rules, /iifname != "knabc-\*" accept/);
});
