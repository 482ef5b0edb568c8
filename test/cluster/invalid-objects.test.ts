import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { coreKinds } from '#api/kinds.ts';
import { apiVersionOf } from '#api/kind.ts';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { at } from '#test/support/wire.ts';

interface Given {
  readonly kind: string;
  readonly apiVersion?: string;
  readonly [field: string]: unknown;
}

/** What an object, given as YAML without its name, is refused for: the complaints of the Status, each with its path. */
async function refusal(yaml: string): Promise<string[]> {
  const cluster = await clusterUnderTest();
  const given = parse(yaml) as Given;
  const kind = coreKinds.find(
    (one) =>
      one.kind === given.kind && (given.apiVersion ?? apiVersionOf(one)) === apiVersionOf(one),
  );
  assert.ok(kind, `no kind ${given.kind}`);
  const base = `/${kind.group === '' ? 'api' : 'apis'}/${apiVersionOf(kind)}`;
  const place = kind.scope === 'Namespaced' ? `/namespaces/${await cluster.namespace()}` : '';
  const object = {
    ...given,
    apiVersion: apiVersionOf(kind),
    metadata: { name: uniqueName('wrong'), ...(given['metadata'] as object | undefined) },
  };
  const { body, status } = await cluster.send('POST', `${base}${place}/${kind.plural}`, object);
  assert.equal(status, 422, `${yaml}: ${String(at(body, 'message'))}`);
  const causes = at(body, 'details.causes') as { field: string; message: string }[];
  return causes.map(({ field, message }) => `${field}: ${message}`);
}

/** Of each object, which complaints it meets, as far as they are given here: the rest of a long sentence is its pattern. */
async function refused(cases: Readonly<Record<string, readonly string[]>>): Promise<void> {
  for (const [yaml, expected] of Object.entries(cases)) {
    const complaints = await refusal(yaml);
    const shown = complaints.map((text, index) => text.slice(0, expected[index]?.length));
    assert.deepEqual(shown, expected, yaml);
  }
}

test('invalid: services', async () => {
  const ports = 'ports: [{ port: 80 }]';
  await refused({
    'kind: Service\nspec: { ports: [{ port: 80, targetPort: A_ }] }': [
      'spec.ports[0].targetPort: Invalid value: "A_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      'spec.ports[0].targetPort: Invalid value: "A_": must contain at least one letter (a-z)',
    ],
    'kind: Service\nspec: { ports: [{ port: 80, name: a }, { port: 81, name: a }, { port: 82 }] }':
      ['spec.ports[1].name: Duplicate value: "a"', 'spec.ports[2].name: Required value'],
    'kind: Service\nspec: { ports: [{ port: 80, nodePort: 30100 }] }': [
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    [`kind: Service\nspec: { type: NodePort, clusterIP: None, ${ports} }`]: [
      'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
    ],
    [`kind: Service\nspec: { ${ports}, externalTrafficPolicy: Local, allocateLoadBalancerNodePorts: true }`]:
      [
        "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
        'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
      ],
    [`kind: Service\nspec: { type: LoadBalancer, ${ports}, loadBalancerSourceRanges: [x] }`]: [
      'spec.LoadBalancerSourceRanges[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
    [`kind: Service\nspec: { ${ports}, selector: { a b: c }, trafficDistribution: X }`]: [
      'spec.selector: Invalid value: "a b": name part must consist of alphanumeric characters',
      'spec.trafficDistribution: Unsupported value: "X": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ],
  });
});

test('invalid: endpoints', async () => {
  const loopback = 'may not be in the loopback range (127.0.0.0/8, ::1/128)';
  await refused({
    'kind: EndpointSlice\naddressType: IPv4\nendpoints: [{ addresses: [127.0.0.1] }]': [
      `endpoints[0].addresses[0]: Invalid value: "127.0.0.1": ${loopback}`,
    ],
    'kind: EndpointSlice\naddressType: IPv4\nendpoints: []\nports: [{ port: 1 }, { port: 2 }]': [
      'ports[1].name: Duplicate value: ""',
    ],
    'kind: Endpoints\nsubsets: [{ addresses: [{ ip: 169.254.169.254 }], ports: [{ port: 80 }] }]': [
      'subsets[0].addresses[0].ip: Invalid value: "169.254.169.254": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ],
    'kind: Endpoints\nsubsets: [{}]': [
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
    ],
  });
});

test('invalid: storage', async () => {
  const claim = 'accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } }';
  const volume = 'accessModes: [ReadWriteOnce], capacity: { storage: 1Gi }';
  await refused({
    [`kind: PersistentVolumeClaim\nspec: { ${claim}, storageClassName: A b }`]: [
      'spec.storageClassName: Invalid value: "A b": a lowercase RFC 1123 subdomain',
    ],
    'kind: PersistentVolumeClaim\nspec: { accessModes: [ReadWriteOncePod, ReadWriteOnce], resources: { requests: { storage: 0 } } }':
      [
        'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
        'spec.resources[storage]: Invalid value: "0": must be greater than zero',
      ],
    [`kind: PersistentVolume\nspec: { ${volume}, local: { path: /a } }`]: [
      'spec.nodeAffinity: Required value: Local volume requires node affinity',
    ],
    [`kind: PersistentVolume\nspec: { ${volume}, hostPath: { path: ../a }, nfs: { server: a, path: /b } }`]:
      [
        'spec.hostPath.path: Invalid value: "../a": must not contain \'..\'',
        'spec.nfs: Forbidden: may not specify more than 1 volume type',
      ],
    'kind: StorageClass\nprovisioner: A b\nvolumeBindingMode: Later': [
      'provisioner: Invalid value: "a b": name part must consist of alphanumeric characters',
      'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
    ],
  });
});

test('invalid: secrets and config maps', async () => {
  await refused({
    'kind: Secret\ntype: kubernetes.io/tls': [
      'data[tls.crt]: Required value',
      'data[tls.key]: Required value',
    ],
    'kind: Secret\ntype: kubernetes.io/dockerconfigjson\ndata: { .dockerconfigjson: e30= , a/b: "" }':
      [
        "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
      ],
    'kind: ConfigMap\ndata: { a: b }\nbinaryData: { a: AAAA }': [
      'data[a]: Invalid value: "a": duplicate of key present in binaryData',
    ],
  });
});

test('invalid: roles and their bindings', async () => {
  const group = 'apiGroup: rbac.authorization.k8s.io';
  await refused({
    'kind: Role\nrules: [{}]': [
      'rules[0].verbs: Required value: verbs must contain at least one value',
      'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
      'rules[0].resources: Required value: resource rules must supply at least one resource',
    ],
    'kind: Role\nrules: [{ verbs: [get], nonResourceURLs: [/a] }]': [
      'rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs',
    ],
    'kind: ClusterRoleBinding\nroleRef: { kind: Role, name: a }\nsubjects: [{ kind: ServiceAccount, name: a }]':
      [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        'subjects[0].namespace: Required value',
      ],
    [`kind: RoleBinding\nroleRef: { kind: X, name: a/b }\nsubjects: [{ kind: ServiceAccount, name: A, ${group} }]`]:
      [
        'roleRef.kind: Unsupported value: "X": supported values: "Role", "ClusterRole"',
        'roleRef.name: Invalid value: "a/b": may not contain \'/\'',
        'subjects[0].name: Invalid value: "A": a lowercase RFC 1123 subdomain',
        'subjects[0].apiGroup: Unsupported value: "rbac.authorization.k8s.io": supported values: ""',
      ],
  });
});

test('invalid: ingresses and network policies', async () => {
  const backend = 'backend: { service: { name: a, port: { number: 80 } } }';
  await refused({
    'kind: Ingress\nspec: {}': [
      'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified',
    ],
    [`kind: Ingress\nspec: { rules: [{ host: 1.2.3.4, http: { paths: [{ path: /a//b, pathType: Exact, ${backend} }] } }] }`]:
      [
        'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
        'spec.rules[0].http.paths[0].path: Invalid value: "/a//b": must not contain \'//\'',
      ],
    'kind: Ingress\nspec: { defaultBackend: {}, tls: [{ hosts: ["*"] }] }': [
      'spec.defaultBackend: Invalid value: "": resource or service backend is required',
      'spec.tls[0].hosts[0]: Invalid value: "*": a wildcard DNS-1123 subdomain must start with \'*.\'',
    ],
    'kind: NetworkPolicy\nspec: { podSelector: {}, ingress: [{ from: [{}], ports: [{ port: 5, endPort: 3 }] }] }':
      [
        'spec.ingress[0].ports[0].endPort: Invalid value: 5: must be greater than or equal to `port`',
        'spec.ingress[0].from[0]: Required value: must specify a peer',
      ],
    'kind: NetworkPolicy\nspec: { podSelector: {}, egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/8, except: [11.0.0.0/8] } }] }] }':
      [
        'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/8": must be a strict subset of `cidr`',
      ],
  });
});

test('invalid: nodes, leases, budgets, priorities', async () => {
  await refused({
    'kind: Node\nspec: { taints: [{ key: a b }], podCIDRs: [x] }': [
      'metadata.taints[0].key: Invalid value: "a b": name part must consist of alphanumeric characters',
      'metadata.taints[0].effect: Required value',
      'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value',
    ],
    'kind: Lease\nspec: { leaseDurationSeconds: 0, leaseTransitions: -1 }': [
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
      'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
    ],
    'kind: PodDisruptionBudget\nspec: { minAvailable: 150% }': [
      'spec.minAvailable: Invalid value: "150%": must not be greater than 100%',
    ],
    'kind: PriorityClass\nmetadata: { name: system-x }\nvalue: 1': [
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only.",
    ],
  });
});

test('invalid: quotas and limit ranges', async () => {
  await refused({
    'kind: ResourceQuota\nspec: { hard: { cpu: 1 }, scopes: [BestEffort, NotBestEffort] }': [
      'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: unsupported scope applied to resource',
      'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
    ],
    'kind: ResourceQuota\nspec: { scopeSelector: { matchExpressions: [{ scopeName: PriorityClass, operator: In }] } }':
      [
        "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
      ],
    'kind: LimitRange\nspec: { limits: [{ type: X }, { type: PersistentVolumeClaim }] }': [
      'spec.limits[0].type: Invalid value: "X": must be a standard limit type or fully qualified',
      'spec.limits[1].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
    ],
    'kind: LimitRange\nspec: { limits: [{ type: Pod, max: { foo: 1 }, maxLimitRequestRatio: { cpu: 0.5 } }] }':
      [
        'spec.limits[0].max[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.limits[0].max[foo]: Invalid value: "foo": must be a standard resource for containers',
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
      ],
  });
});

test('invalid: jobs and what keeps pods up', async () => {
  const pod = 'spec: { restartPolicy: Never, containers: [{ name: a, image: x }] }';
  const job = `template: { metadata: { labels: { a: b } }, ${pod} }`;
  const kept =
    'template: { metadata: { labels: { a: b } }, spec: { containers: [{ name: a, image: x }] } }';
  await refused({
    [`kind: Job\nspec: { ${job}, managedBy: x }`]: [
      'spec.managedBy: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [`kind: CronJob\nspec: { schedule: "* * * * *", jobTemplate: { spec: { manualSelector: true, ${job} } } }`]:
      [
        'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
      ],
    [`kind: Deployment\nspec: { ${kept} }`]: [
      'spec.selector: Required value',
      'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
    ],
    [`kind: ReplicaSet\nspec: { selector: { matchLabels: { a b: c } }, ${kept} }`]: [
      'spec.selector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters',
      'spec.selector: Invalid value: {"matchLabels":{"a b":"c"}}: invalid label selector',
    ],
    [`kind: StatefulSet\nmetadata: { name: a.b }\nspec: { selector: { matchLabels: { a: b } }, ${kept} }`]:
      ['metadata.name: Invalid value: "a.b": must not contain dots'],
  });
});

test('invalid: autoscalers', async () => {
  const target = 'scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: a }';
  const two = [
    'resource: { name: cpu, target: { type: Utilization, averageUtilization: 5 } }',
    'pods: { metric: { name: "" }, target: { type: AverageValue } }',
  ];
  await refused({
    [`kind: HorizontalPodAutoscaler\nspec: { ${target}, maxReplicas: 0 }`]: [
      'spec.maxReplicas: Invalid value: 0: must be greater than 0',
      'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
    ],
    [`kind: HorizontalPodAutoscaler\nspec: { ${target}, maxReplicas: 1, metrics: [{ type: Pods, ${two.join(', ')} }] }`]:
      [
        'spec.metrics[0].pods.metric.name: Required value: must specify a metric name',
        'spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue',
        'spec.metrics[0].resource: Forbidden: must populate the given metric source only',
      ],
    [`kind: HorizontalPodAutoscaler\nspec: { ${target}, maxReplicas: 1, metrics: [{ type: External }] }`]:
      [
        'spec.metrics[0].external: Required value: must populate information for the given metric source',
      ],
  });
});

test('invalid: webhooks', async () => {
  const hook = (fields: string): string =>
    `kind: ValidatingWebhookConfiguration\nwebhooks: [{ name: a.b.c, admissionReviewVersions: [v1], ${fields} }]`;
  const url = "clientConfig: { url: 'https://192.0.2.1/x' }";
  const rule = 'apiGroups: [""], apiVersions: [v1], operations: [CREATE]';
  await refused({
    [hook(url)]: [
      'webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun',
    ],
    [hook('sideEffects: None, clientConfig: { service: {} }')]: [
      'webhooks[0].clientConfig.service.name: Required value',
      'webhooks[0].clientConfig.service.namespace: Required value',
    ],
    [hook(`sideEffects: None, ${url}, rules: [{ ${rule}, resources: ["*", pods], scope: X }]`)]: [
      'webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources without subresources',
      'webhooks[0].rules[0].scope: Unsupported value: "X": supported values: "*", "Cluster", "Namespaced"',
    ],
  });
});
