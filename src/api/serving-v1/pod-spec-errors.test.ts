import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { complaintLines } from '#api/meta/api-error.ts';
import {
  defaultSettings,
  withConfigMap,
  type ServingSettings,
} from '#api/serving-config/config-maps.ts';
import { revisionSpecErrors } from '#api/serving-v1/pod-spec-errors.ts';
import { defaultRevisionSpec } from '#api/serving-v1/revision-defaults.ts';
import type { RevisionSpec } from '#api/serving-v1/revision-template.ts';
import { insecureDefaults } from '#api/serving-v1/security-errors.ts';

function settingsOf(features: string): ServingSettings {
  const data = parse(`{ ${features} }`) as Record<string, string>;
  return withConfigMap(defaultSettings, 'config-features', data);
}

/** Of the spec as its author wrote it, with these features on. */
function complaintsOf(text: string, features = ''): string[] {
  // The test's own text is one.
  const spec = parse(text) as RevisionSpec;
  return complaintLines(revisionSpecErrors(spec, 'spec', settingsOf(features)));
}

const one = (fields: string): string => `{ containers: [{ image: i, ${fields} }] }`;
const withVolume = (volume: string, mount = 'readOnly: true'): string =>
  `{ containers: [{ image: i, volumeMounts: [{ name: v, mountPath: /v, ${mount} }] }], volumes: [{ name: v, ${volume} }] }`;
const probe = (fields: string): string => one(`readinessProbe: { successThreshold: 1, ${fields} }`);
const INT32_MAX = 2_147_483_647;

for (const [text, features, ...expected] of [
  ['{ containers: [{ image: i }] }', ''],
  ['{}', '', 'missing field(s): spec.containers'],
  ['{ containers: [{}] }', '', 'missing field(s): spec.containers[0]'],
  [
    one('name: queue-proxy'),
    '',
    '"queue-proxy" is a reserved container name: spec.containers[0].name',
  ],
  [
    '{ containers: [{ image: "foo:bar:baz" }] }',
    '',
    'Failed to parse image reference: spec.containers[0].image\nimage: "foo:bar:baz", error: could not parse reference: foo:bar:baz',
  ],
  ['{ containers: [{ image: "localhost:5000/a/b:v1" }] }', ''],
  ['{ containers: [{ image: "[::1]:5000/a/b" }] }', ''],
  [`{ containers: [{ image: "ghcr.io/a/b:v1@sha256:${'a'.repeat(64)}" }] }`, ''],
  [one('env: [{ value: x }]'), '', 'missing field(s): spec.containers[0].env[0].name'],
  [
    one('env: [{ name: K_SERVICE, value: x }]'),
    '',
    '"K_SERVICE" is a reserved environment variable: spec.containers[0].env[0].name',
  ],
  [
    '{ containers: [{ image: i, ports: [{}] }, { image: j, env: [{ name: PORT }, { name: K_REVISION }] }] }',
    '',
    '"K_REVISION" is a reserved environment variable: spec.containers[1].env[1].name',
  ],
  [
    one('env: [{ name: A, valueFrom: { fieldRef: { fieldPath: status.hostIP } } }]'),
    '',
    'must not set the field(s): spec.containers[0].env[0].valueFrom.fieldRef',
  ],
  [
    one('env: [{ name: A, valueFrom: { fieldRef: { fieldPath: status.hostIP } } }]'),
    'kubernetes.podspec-fieldref: Allowed',
  ],
  [
    one('envFrom: [{}]'),
    '',
    'expected exactly one, got neither: spec.containers[0].envFrom.configMapRef, spec.containers[0].envFrom.secretRef',
  ],
  [
    one('envFrom: [{ configMapRef: { name: a }, secretRef: { name: b } }]'),
    '',
    'expected exactly one, got both: spec.containers[0].envFrom.configMapRef, spec.containers[0].envFrom.secretRef',
  ],
  [
    one('ports: [{ name: foo }]'),
    '',
    "Port name foo is not allowed: spec.containers[0].ports\nName must be empty, or one of: 'h2c', 'http1'",
  ],
  [
    one('ports: [{ containerPort: 65536, protocol: UDP, hostPort: 80, hostIP: 1.1.1.1 }]'),
    '',
    'expected 0 <= 65536 <= 65535: spec.containers[0].ports.containerPort',
    'invalid value: UDP: spec.containers[0].ports.protocol',
    'must not set the field(s): spec.containers[0].ports.hostIP, spec.containers[0].ports.hostPort',
  ],
  [
    '{ containers: [{ image: i, ports: [{}] }, { image: j, ports: [{}] }] }',
    '',
    'more than one container port is set: spec.containers[*].ports\nOnly a single port is allowed across all containers',
  ],
  [
    '{ containers: [{ image: i, ports: [{}] }, { image: j }] }',
    'multi-container: disabled',
    'multi-container is off, but found 2 containers: ',
  ],
  [
    '{ containers: [{ name: a, image: i, ports: [{}] }, { name: a, image: j }] }',
    '',
    'duplicate container name "a": spec.containers[1].name',
  ],
  [
    one('terminationMessagePolicy: No'),
    '',
    'invalid value: No: spec.containers[0].terminationMessagePolicy',
  ],
  [
    one('resources: { claims: [{ name: a }] }'),
    '',
    'must not set the field(s): spec.containers[0].resources.claims',
  ],
  // Rights.
  [
    one('securityContext: { privileged: true, runAsUser: -10, capabilities: { add: [all] } }'),
    '',
    `expected 0 <= -10 <= ${INT32_MAX}: spec.containers[0].securityContext.runAsUser`,
    'must not set the field(s): spec.containers[0].securityContext.capabilities.add, spec.containers[0].securityContext.privileged',
  ],
  [one('securityContext: { privileged: false }'), ''],
  [
    one('securityContext: { capabilities: { add: [all] } }'),
    'kubernetes.containerspec-addcapabilities: enabled',
  ],
  [
    one('securityContext: { capabilities: { add: [NET_BIND_SERVICE] } }'),
    'secure-pod-defaults: AllowRootBounded',
  ],
  [
    '{ securityContext: { runAsUser: 1 }, containers: [{ image: i }] }',
    '',
    'must not set the field(s): spec.securityContext, spec.securityContext.runAsUser',
  ],
  [
    '{ securityContext: { runAsUser: -1, supplementalGroups: [1, -2], sysctls: [{ name: a, value: b }] }, containers: [{ image: i }] }',
    'kubernetes.podspec-securitycontext: enabled',
    `expected 0 <= -1 <= ${INT32_MAX}: spec.securityContext.runAsUser`,
    `expected 0 <= -2 <= ${INT32_MAX}: spec.securityContext.supplementalGroups[1]`,
    'must not set the field(s): spec.securityContext.sysctls',
  ],
  [
    '{ securityContext: { seccompProfile: { type: RuntimeDefault } }, containers: [{ image: i }] }',
    'secure-pod-defaults: enabled',
  ],
  // Probes.
  [
    probe('httpGet: {}, tcpSocket: {}'),
    '',
    'expected exactly one, got both: spec.containers[0].readinessProbe.httpGet, spec.containers[0].readinessProbe.tcpSocket',
  ],
  [
    one('livenessProbe: {}'),
    '',
    'expected exactly one, got neither: spec.containers[0].livenessProbe.exec, spec.containers[0].livenessProbe.grpc, spec.containers[0].livenessProbe.httpGet, spec.containers[0].livenessProbe.tcpSocket',
  ],
  [
    probe('httpGet: {}, failureThreshold: 2, timeoutSeconds: 2'),
    '',
    'failureThreshold is disallowed when periodSeconds is zero: spec.containers[0].readinessProbe.failureThreshold',
    'timeoutSeconds is disallowed when periodSeconds is zero: spec.containers[0].readinessProbe.timeoutSeconds',
  ],
  [
    one('readinessProbe: { httpGet: {}, periodSeconds: -1, initialDelaySeconds: -1 }'),
    '',
    `expected 0 <= -1 <= ${INT32_MAX}: spec.containers[0].readinessProbe.initialDelaySeconds, spec.containers[0].readinessProbe.periodSeconds`,
    `expected 1 <= 0 <= ${INT32_MAX}: spec.containers[0].readinessProbe.failureThreshold, spec.containers[0].readinessProbe.successThreshold, spec.containers[0].readinessProbe.timeoutSeconds`,
  ],
  [
    one('livenessProbe: { tcpSocket: { port: imap } }'),
    '',
    'invalid value: imap: spec.containers[0].livenessProbe.tcpSocket.port\nProbe port must match container port',
  ],
  [one('livenessProbe: { tcpSocket: { port: http } }'), ''],
  [
    '{ containers: [{ image: i, ports: [{}] }, { image: j, readinessProbe: { periodSeconds: 1, timeoutSeconds: 1, httpGet: {} } }] }',
    '',
    'must not set the field(s): spec.containers[1].readinessProbe, spec.containers[1].readinessProbe.periodSeconds, spec.containers[1].readinessProbe.timeoutSeconds',
  ],
  [
    '{ containers: [{ image: i, ports: [{}] }, { image: j, livenessProbe: { httpGet: {} } }] }',
    'multi-container-probing: enabled',
    'invalid value: 0: spec.containers[1].livenessProbe.httpGet.port\nProbe port must be specified',
  ],
  // Init containers.
  [
    '{ initContainers: [{ image: j }], containers: [{ image: i }] }',
    '',
    'must not set the field(s): spec.initContainers',
    'pod spec support for init-containers is off, but found 1 init containers: ',
  ],
  [
    '{ initContainers: [{ image: j }], containers: [{ image: i }] }',
    'kubernetes.podspec-init-containers: allowed',
    'pod spec support for init-containers is off, but found 1 init containers: ',
  ],
  [
    '{ initContainers: [{ name: a, image: j, livenessProbe: {} }], containers: [{ name: a, image: i }] }',
    'kubernetes.podspec-init-containers: enabled',
    'duplicate container name "a": spec.containers[0].name',
    'field not allowed in an init container: spec.containers[0].livenessProbe',
  ],
  // The pod itself.
  [
    '{ nodeSelector: { a: b }, hostNetwork: true, automountServiceAccountToken: true, containers: [{ image: i }] }',
    '',
    'must not set the field(s): spec.automountServiceAccountToken, spec.hostNetwork, spec.nodeSelector',
  ],
  [
    '{ nodeSelector: { a: b }, containers: [{ image: i }] }',
    'kubernetes.podspec-nodeselector: allowed',
  ],
  ['{ automountServiceAccountToken: false, containers: [{ image: i }] }', ''],
  [
    '{ serviceAccountName: foo@bar, containers: [{ image: i }] }',
    '',
    "invalid value: foo@bar: spec.serviceAccountName\na lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ],
  // Volumes.
  [withVolume('secret: { secretName: s }'), ''],
  [withVolume('emptyDir: {}', ''), ''],
  [
    withVolume('emptyDir: { sizeLimit: "-1", medium: Disk }', ''),
    '',
    'invalid value: -1: spec.volumes[0].emptyDir.sizeLimit',
    'invalid value: Disk: spec.volumes[0].emptyDir.medium',
  ],
  [
    withVolume('secret: { secretName: s }', ''),
    '',
    'volume mount should be readOnly for this type of volume: spec.containers[0].volumeMounts[0].readOnly',
  ],
  [
    withVolume('emptyDir: {}', ''),
    'kubernetes.podspec-volumes-emptydir: disabled',
    'EmptyDir volume support is disabled, but found EmptyDir volume v: ',
    'must not set the field(s): spec.volumes[0].emptyDir',
  ],
  [
    withVolume('persistentVolumeClaim: { claimName: c }', ''),
    '',
    'Persistent volume claim support is disabled, but found persistent volume claim c: ',
    'Persistent volume write support is disabled, but found persistent volume claim c that is not read-only: ',
    'must not set the field(s): spec.volumes[0].persistentVolumeClaim',
  ],
  [
    withVolume('persistentVolumeClaim: { claimName: c, readOnly: true }', ''),
    'kubernetes.podspec-persistent-volume-claim: enabled',
    'volume is readOnly but volume mount is not: spec.containers[0].volumeMounts[0].readOnly',
  ],
  [
    '{ containers: [{ image: i }], volumes: [{ name: a, secret: {} }, { name: a, secret: {} }, { configMap: {} }, { name: "@" }] }',
    '',
    'duplicate volume name "a": spec.volumes[1].name',
    'expected exactly one, got neither: spec.volumes[3].configMap, spec.volumes[3].emptyDir, spec.volumes[3].projected, spec.volumes[3].secret',
    'invalid value: @: spec.volumes[3].name',
    'missing field(s): spec.volumes[2].name',
    'volume with name "" not mounted: spec.volumes[2].name',
    'volume with name "@" not mounted: spec.volumes[3].name',
    'volume with name "a" not mounted: spec.volumes[0].name, spec.volumes[1].name',
  ],
  [
    withVolume('secret: { items: [{}] }, configMap: {}'),
    '',
    'expected exactly one, got both: spec.volumes[0].configMap, spec.volumes[0].secret',
    'missing field(s): spec.volumes[0].items[0].key, spec.volumes[0].items[0].path',
  ],
  [
    withVolume(
      'projected: { sources: [{}, { secret: {}, configMap: { name: c } }, { serviceAccountToken: {} }, { downwardAPI: { items: [{ path: p }] } }] }',
    ),
    '',
    'expected exactly one, got both: spec.volumes[0].projected[1].configMap, spec.volumes[0].projected[1].secret',
    'expected exactly one, got neither: spec.volumes[0].projected[0].configMap, spec.volumes[0].projected[0].downwardAPI, spec.volumes[0].projected[0].secret, spec.volumes[0].projected[0].serviceAccountToken, spec.volumes[0].projected[3].downwardAPI.items[0].fieldRef, spec.volumes[0].projected[3].downwardAPI.items[0].resourceFieldRef',
    'missing field(s): spec.volumes[0].projected[1].secret.name, spec.volumes[0].projected[2].serviceAccountToken.path',
  ],
  [
    '{ containers: [{ image: i, volumeMounts: [{ name: x, subPathExpr: a, mountPropagation: None }, { name: v, mountPath: //dev//, readOnly: true }, { name: v, mountPath: rel, readOnly: true }, { name: v, mountPath: /a/, readOnly: true }, { name: v, mountPath: /a, readOnly: true }] }], volumes: [{ name: v, secret: {} }] }',
    '',
    'Volume Mount Propagation support is disabled, but found volume mount x with mount propagation: ',
    'invalid value: "/a" must be unique: spec.containers[0].volumeMounts[4].mountPath',
    'invalid value: rel: spec.containers[0].volumeMounts[2].mountPath',
    'missing field(s): spec.containers[0].volumeMounts[0].mountPath',
    'mountPath "/dev" is a reserved path: spec.containers[0].volumeMounts[1].mountPath',
    'must not set the field(s): spec.containers[0].volumeMounts[0].mountPropagation, spec.containers[0].volumeMounts[0].subPathExpr',
    'volume mount should be readOnly for this type of volume: spec.containers[0].volumeMounts[0].readOnly',
    'volumeMount has no matching volume: spec.containers[0].volumeMounts[0].name',
  ],
  [
    withVolume('hostPath: { path: / }', 'readOnly: true, mountPropagation: Bidirectional'),
    'kubernetes.podspec-volumes-hostpath: enabled, kubernetes.podspec-volumes-mount-propagation: enabled',
    'mount propagation should be set to None or HostToContainer: spec.containers[0].volumeMounts[0].mountPropagation',
  ],
] as const) {
  test(`revision spec: ${expected.join('; ').slice(0, 150) || 'nothing is wrong'}: ${text.slice(0, 60)}`, () => {
    assert.deepEqual(complaintsOf(text, features), expected);
  });
}

for (const [text, ...expected] of [
  [
    '{ containers: [{ image: i }] }',
    'Kubernetes default value is insecure, Knative may default this to secure in a future release: spec.containers[0].securityContext.allowPrivilegeEscalation, spec.containers[0].securityContext.capabilities, spec.containers[0].securityContext.runAsNonRoot, spec.containers[0].securityContext.seccompProfile',
  ],
  [
    '{ securityContext: { seccompProfile: {}, runAsNonRoot: true }, containers: [{ image: i, securityContext: { allowPrivilegeEscalation: true, capabilities: {} } }] }',
    'Kubernetes default value is insecure, Knative may default this to secure in a future release: spec.containers[0].securityContext.capabilities.drop, spec.containers[0].securityContext.seccompProfile.type',
  ],
  [
    '{ securityContext: { runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }, containers: [{ image: i, securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL, all] } } }], initContainers: [{ image: j }] }',
    'Kubernetes default value is insecure, Knative may default this to secure in a future release: spec.initContainers[0].securityContext.allowPrivilegeEscalation, spec.initContainers[0].securityContext.capabilities',
  ],
  [
    '{ containers: [{ image: i, securityContext: { allowPrivilegeEscalation: false, runAsNonRoot: false, seccompProfile: { type: Unconfined }, capabilities: { drop: [all] } } }] }',
    "invalid value: all: spec.containers[0].securityContext.capabilities.drop\nMust be spelled as 'ALL'",
  ],
] as const) {
  test(`revision spec: warns that ${expected.join('; ').slice(0, 120)}: ${text.slice(0, 60)}`, () => {
    // The test's own text is one.
    const spec = parse(text) as RevisionSpec;
    const warnings = insecureDefaults(spec, 'spec', defaultSettings);
    assert.deepEqual(complaintLines(warnings), expected);
    assert.deepEqual(
      insecureDefaults(spec, 'spec', settingsOf('secure-pod-defaults: enabled')),
      [],
    );
  });
}

test('revision spec: few rights where the cluster wants that, and never against the author', () => {
  const settings = settingsOf('secure-pod-defaults: enabled');
  const spec = parse(
    '{ initContainers: [{ image: j }], containers: [{ image: i, ports: [{ containerPort: 80 }] }, { image: k, securityContext: { runAsNonRoot: false, allowPrivilegeEscalation: true, capabilities: {}, seccompProfile: { type: Unconfined } } }] }',
  ) as RevisionSpec;
  defaultRevisionSpec(spec, { owner: {}, settings, operation: 'CREATE' });
  const few = {
    allowPrivilegeEscalation: false,
    seccompProfile: { type: 'RuntimeDefault' },
    runAsNonRoot: true,
  };
  const contexts = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(
    ({ securityContext }) => securityContext,
  );
  assert.deepEqual(contexts, [
    { ...few, capabilities: { drop: ['ALL'] } },
    { ...few, capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } },
    {
      runAsNonRoot: false,
      allowPrivilegeEscalation: true,
      capabilities: {},
      seccompProfile: { type: 'Unconfined' },
    },
  ]);
  const rooted = parse('{ containers: [{ image: i }] }') as RevisionSpec;
  defaultRevisionSpec(rooted, {
    owner: {},
    operation: 'CREATE',
    settings: settingsOf('secure-pod-defaults: AllowRootBounded'),
  });
  assert.equal(rooted.containers?.[0]?.securityContext?.runAsNonRoot, undefined);
});

test('revision spec: what the configuration says is filled in, and only that', () => {
  const settings = withConfigMap(defaultSettings, 'config-defaults', {
    'revision-timeout-seconds': '100',
    'revision-idle-timeout-seconds': '50',
    'revision-response-start-timeout-seconds': '60',
    'revision-cpu-request': '100m',
    'revision-memory-limit': '1Gi',
    'container-name-template': '{{.Name}}-{{index .Labels "team"}}',
    'container-concurrency': '7',
    'enable-service-links': 'default',
  });
  const spec = parse(
    '{ containers: [{ image: i, resources: { limits: { memory: 2Gi } } }] }',
  ) as RevisionSpec;
  defaultRevisionSpec(spec, {
    owner: { name: 'hello', labels: { team: 'a' } },
    settings,
    operation: 'CREATE',
  });
  assert.deepEqual(spec, {
    containers: [
      {
        image: 'i',
        name: 'hello-a',
        readinessProbe: { tcpSocket: { port: 0 }, successThreshold: 1 },
        resources: { requests: { cpu: '100m' }, limits: { memory: '2Gi' } },
      },
    ],
    timeoutSeconds: 100,
    responseStartTimeoutSeconds: 60,
    idleTimeoutSeconds: 50,
    containerConcurrency: 7,
  });
});
