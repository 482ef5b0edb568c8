import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Revision } from '#api/serving-v1/revision.ts';
import { defaultSettings, withConfigMap } from '#api/serving-config/config-maps.ts';
import { defaultRevisionSpec } from '#api/serving-v1/revision-defaults.ts';
import { desiredDeployment } from '#controllers/serving/revision/desired-deployment.ts';
import { servingDefaults, type ServingConfig } from '#controllers/serving/serving-config.ts';
import { fixture } from '#test/support/fixture.ts';

function deploymentOf(
  yaml: string,
  digests = new Map<string, string>(),
  { drain, data = {} }: { drain?: ServingConfig['drain']; data?: Record<string, string> } = {},
): ReturnType<typeof desiredDeployment> {
  const settings = withConfigMap(defaultSettings, 'config-deployment', data).deployment;
  const revision = fixture<Revision>(
    `{ apiVersion: serving.knative.dev/v1, kind: Revision, ${yaml} }`,
  );
  const { metadata: owner, spec } = revision;
  defaultRevisionSpec(spec, { owner, settings: defaultSettings, operation: 'CREATE' });
  const gateway = { ...servingDefaults, ...(drain && { drain }) };
  return desiredDeployment({ revision, digests, settings, gateway });
}

const metadata = `metadata:
    {
      name: hello-00001,
      namespace: default,
      uid: u1,
      labels: {
        serving.knative.dev/configuration: hello,
        serving.knative.dev/service: hello,
        serving.knative.dev/routingState: reserve,
        serving.knative.dev/route: hello,
        team: a,
      },
      annotations: {
        serving.knative.dev/routes: hello,
        serving.knative.dev/progress-deadline: 30s,
        autoscaling.knative.dev/window: 6s,
        serving.knative.dev/creator: ann,
      },
    }`;

test('deployment: a sandbox is kept for what is called, unless the revision says otherwise', () => {
  const routed = metadata.replace('routingState: reserve', 'routingState: active');
  const never = routed.replace(
    'annotations: {',
    'annotations: { knode.dev/prepared-sandboxes: "0",',
  );
  const wanted = [metadata, routed, never].map(
    (each) =>
      deploymentOf(`${each}, spec: { containers: [{ image: i }] }`).metadata.annotations?.[
        'knode.dev/prepared-sandboxes'
      ],
  );
  assert.deepEqual(wanted, ['0', '1', '0']);
});

test('deployment: labels and annotations say what runs, not where requests come from', () => {
  const deployment = deploymentOf(`${metadata}, spec: { containers: [{ image: i }] }`);
  const labels = {
    app: 'hello-00001',
    'serving.knative.dev/configuration': 'hello',
    'serving.knative.dev/service': 'hello',
    'serving.knative.dev/revision': 'hello-00001',
    'serving.knative.dev/revisionUID': 'u1',
    team: 'a',
  };
  assert.deepEqual(deployment.metadata.labels, labels);
  assert.deepEqual(deployment.spec?.template.metadata?.labels, labels);
  assert.deepEqual(deployment.metadata.annotations, {
    'serving.knative.dev/progress-deadline': '30s',
    'serving.knative.dev/creator': 'ann',
    'knode.dev/prepared-sandboxes': '0',
  });
  assert.equal(
    deployment.spec?.template.metadata?.annotations?.['kubectl.kubernetes.io/default-container'],
    'user-container',
  );
  assert.equal(deployment.spec?.progressDeadlineSeconds, 30);
  assert.equal(deployment.spec?.replicas, undefined);
});

test('deployment: the serving container alone has the port, and probes without a port ask it', () => {
  const deployment = deploymentOf(
    `${metadata}, spec: {
      containers: [
        { name: web, image: "web:1", ports: [{ containerPort: 3000, name: h2c }], readinessProbe: { httpGet: { path: /ok, scheme: http } }, livenessProbe: { tcpSocket: {}, periodSeconds: 7 } },
        { name: side, image: "side:1", env: [{ name: PORT, value: "1" }] },
      ],
      timeoutSeconds: 20,
      containerConcurrency: 5,
    }`,
    new Map([['web', 'web@sha256:1']]),
  );
  const pod = deployment.spec?.template.spec;
  assert.equal(pod?.terminationGracePeriodSeconds, 20);
  assert.ok(!Object.hasOwn(pod ?? {}, 'containerConcurrency'));
  const [web, side] = pod?.containers ?? [];
  assert.deepEqual([web?.image, side?.image], ['web@sha256:1', 'side:1']);
  assert.deepEqual(web?.ports, [{ name: 'user-port', containerPort: 3000, protocol: 'TCP' }]);
  assert.equal(side?.ports, undefined);
  assert.deepEqual(web?.readinessProbe, {
    httpGet: { path: '/ok', port: 3000, scheme: 'HTTP' },
    successThreshold: 1,
  });
  assert.deepEqual(web?.livenessProbe, { tcpSocket: { port: 3000 }, periodSeconds: 7 });
  assert.deepEqual(
    side?.env?.map(({ name }) => name),
    ['PORT', 'K_REVISION', 'K_CONFIGURATION', 'K_SERVICE'],
  );
});

test('deployment: successes are counted at a period, and without one the first is enough', () => {
  const thresholdOf = (period: string): unknown => {
    const probe = `{ httpGet: {}, successThreshold: 3${period} }`;
    const spec = `spec: { containers: [{ name: a, image: i, readinessProbe: ${probe} }] }`;
    const { spec: made } = deploymentOf(`${metadata}, ${spec}`, new Map());
    const { periodSeconds, successThreshold } =
      made?.template.spec?.containers[0]?.readinessProbe ?? {};
    return [periodSeconds, successThreshold];
  };
  assert.deepEqual(thresholdOf(', periodSeconds: 2'), [2, 3]);
  assert.deepEqual(thresholdOf(', periodSeconds: 0'), [undefined, 1]);
  assert.deepEqual(thresholdOf(''), [undefined, 1]);
});

test('deployment: where a kubelet stops pods, each container asks the gateway before it ends', () => {
  const spec = 'spec: { containers: [{ name: a, image: i, ports: [{}] }, { name: b, image: j }] }';
  const drain = { address: '10.96.7.7', port: 80 };
  const of = (asked?: ServingConfig['drain']): unknown[] =>
    deploymentOf(`${metadata}, ${spec}`, new Map(), {
      ...(asked && { drain: asked }),
    }).spec?.template.spec?.containers.map(({ lifecycle }) => lifecycle?.preStop?.httpGet) ?? [];
  const asks = {
    host: '10.96.7.7',
    port: 80,
    path: '/drain/default/hello-00001',
    httpHeaders: [{ name: 'Host', value: servingDefaults.privateGateway }],
  };
  assert.deepEqual(of(drain), [asks, asks]);
  assert.deepEqual(of(), [undefined, undefined]);
});

test('deployment: the cluster chooses where its author says nothing: a runtime class, other nodes', () => {
  const podOf = (spec: string, data: Record<string, string>) =>
    deploymentOf(`${metadata}, spec: { containers: [{ image: i }], ${spec} }`, new Map(), { data })
      .spec?.template.spec;
  const classes = 'small: {}\nlarge: { selector: { team: a } }\nnone: { selector: { team: b } }';
  const chosen = podOf('', { 'runtime-class-name': classes });
  assert.equal(chosen?.runtimeClassName, 'large');
  assert.deepEqual(chosen.affinity, {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 100,
          podAffinityTerm: {
            topologyKey: 'kubernetes.io/hostname',
            labelSelector: { matchLabels: { 'serving.knative.dev/revision': 'hello-00001' } },
          },
        },
      ],
    },
  });
  const said = podOf('runtimeClassName: own, affinity: {}', { 'runtime-class-name': classes });
  assert.deepEqual([said?.runtimeClassName, said?.affinity], ['own', {}]);
  assert.equal(podOf('', { 'default-affinity-type': 'none' })?.affinity, undefined);
});
