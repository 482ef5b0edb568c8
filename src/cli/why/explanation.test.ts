import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment } from '#api/apps-v1/deployment.ts';
import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { Route } from '#api/serving-v1/route.ts';
import type { Service } from '#api/serving-v1/service.ts';
import { fixture } from '#test/support/fixture.ts';
import { explain, type Explanation, type Found } from './explanation.ts';

/** `Ready=False Reason: message`, one for each condition. */
function object<T extends KubeObject>(
  kind: string,
  name: string,
  conditions: readonly string[],
  rest = '',
): T {
  const lines = conditions.map((text) => {
    const [, type, status, reason = '', message = ''] =
      /^(\w+)=(\w+) ?(\w*):? ?(.*)$/.exec(text) ?? [];
    return JSON.stringify({ type, status, reason, message });
  });
  return fixture<T>(`
    kind: ${kind}
    metadata: { name: ${name}, generation: 1 }
    spec: {}
    status: { observedGeneration: 1, conditions: [${lines.join(', ')}] ${rest} }
  `);
}

const READY = ['Ready=True'];
const failed = 'Revision "r" failed with message: no such image.';
const service = (...conditions: string[]): Service => object('Service', 'hello', conditions);
const configuration = (...conditions: string[]): Configuration =>
  object('Configuration', 'hello', conditions);
const revision = (...conditions: string[]): Revision => object('Revision', 'r', conditions);

function pod(status: string): Pod {
  return fixture<Pod>(`
    kind: Pod
    metadata: { name: p }
    spec: { containers: [{ name: main, image: a, ports: [{ containerPort: 8080 }] }] }
    status: { ${status} }
  `);
}

const said = ({ chain }: Explanation): string[] =>
  chain.map(({ kind, state, reason }) => `${kind} ${state} ${reason}`.trim());

interface Case {
  readonly title: string;
  readonly found: Found;
  readonly chain: readonly string[];
  readonly next: RegExp;
  readonly scale?: RegExp;
}

const waitingPod = (containers: string): Found => ({
  service: service('Ready=Unknown', 'ConfigurationsReady=Unknown'),
  configuration: configuration('Ready=Unknown'),
  revision: revision('Ready=Unknown Deploying'),
  pods: [pod(`containerStatuses: [{ name: main, ready: false, ${containers} }]`)],
});
const onTheWay = ['Service waiting', 'Configuration waiting', 'Revision waiting Deploying'];

const cases: readonly Case[] = [
  {
    title: 'a Service that is ready needs nothing',
    found: { service: service(...READY), revision: revision(...READY), pods: [] },
    chain: ['Service ready'],
    next: /Nothing/,
  },
  {
    title: 'an image that is not there is the root',
    found: {
      service: service(`Ready=False RevisionFailed: ${failed}`, 'RoutesReady=Unknown'),
      configuration: configuration(`Ready=False RevisionFailed: ${failed}`),
      revision: revision(
        'Ready=False ContainerMissing: no such image',
        'ContainerHealthy=False ContainerMissing: no such image',
        'Active=Unknown Deploying',
      ),
      pods: [],
    },
    chain: [
      'Service failed RevisionFailed',
      'Configuration failed RevisionFailed',
      'Revision failed ContainerMissing',
    ],
    next: /image has this name/,
  },
  {
    title: 'a Deployment that the API refuses is told by an Event alone',
    found: {
      service: service('Ready=Unknown RevisionMissing', 'ConfigurationsReady=Unknown'),
      configuration: configuration('Ready=Unknown'),
      revision: revision('Ready=Unknown Deploying'),
      warning: { reason: 'InternalError', message: 'failed to create deployment "r": no' },
      pods: [],
    },
    chain: [
      'Service waiting RevisionMissing',
      'Configuration waiting',
      'Revision failed InternalError',
    ],
    next: /refused: mend that/,
  },
  {
    title: 'a Service that is ready and may not have more pods',
    found: {
      service: service(...READY),
      revision: revision(...READY),
      deployment: fixture<Deployment>(`
        metadata: { name: d }
        spec: { replicas: 5 }
        status: { readyReplicas: 1, conditions: [{ type: ReplicaFailure, status: 'True', reason: FailedCreate, message: exceeded quota }] }
      `),
      pods: [],
    },
    chain: ['Service ready', 'Deployment failed FailedCreate'],
    next: /quota/,
    scale: /^1 of 5 pods are ready/,
  },
  {
    title: 'a Service that is ready and one of its pods finds no room',
    found: {
      service: service(...READY),
      revision: revision(...READY),
      pods: [
        pod(
          "phase: Pending, conditions: [{ type: PodScheduled, status: 'False', reason: Unschedulable, message: Insufficient cpu }]",
        ),
      ],
    },
    chain: ['Service ready', 'Pod failed Unschedulable'],
    next: /Ask for less/,
  },
  {
    title: 'a container that is killed for its memory',
    found: waitingPod(
      'restartCount: 2, state: { waiting: { reason: CrashLoopBackOff } }, lastState: { terminated: { exitCode: 137, reason: OOMKilled } }',
    ),
    chain: [...onTheWay, 'Pod failed OOMKilled'],
    next: /more memory/,
  },
  {
    title: 'a program that ends well where it should serve',
    found: waitingPod(
      'restartCount: 1, state: { waiting: { reason: CrashLoopBackOff } }, lastState: { terminated: { exitCode: 0, reason: Completed } }',
    ),
    chain: [...onTheWay, 'Pod failed Completed'],
    next: /ends by itself/,
  },
  {
    title: 'a program that listens elsewhere',
    found: waitingPod('restartCount: 0, state: { running: {} }'),
    chain: [...onTheWay, 'Pod failed NotReady'],
    next: /\$PORT/,
  },
  {
    title: 'a pod that is coming up is no trouble',
    found: waitingPod('restartCount: 0, state: { waiting: { reason: ContainerCreating } }'),
    chain: onTheWay,
    next: /look again/,
  },
  {
    title: 'what a quota forbids',
    found: {
      service: service('Ready=False RevisionFailed: forbidden'),
      configuration: configuration('Ready=False RevisionFailed: forbidden'),
      revision: revision('Ready=False FailedCreate: forbidden'),
      deployment: fixture<Deployment>(`
        kind: Deployment
        metadata: { name: d }
        spec: { replicas: 1 }
        status: { conditions: [{ type: ReplicaFailure, status: 'True', reason: FailedCreate, message: exceeded }] }
      `),
      pods: [],
    },
    chain: [
      'Service failed RevisionFailed',
      'Configuration failed RevisionFailed',
      'Revision failed FailedCreate',
      'Deployment failed FailedCreate',
    ],
    next: /quota/,
    scale: /^0 of 1 pods/,
  },
  {
    title: 'a Route to nowhere, though the Configuration is well',
    found: {
      service: service('Ready=False RevisionMissing: x', 'RoutesReady=False RevisionMissing: x'),
      configuration: configuration(...READY),
      route: object<Route>('Route', 'hello', [
        'Ready=False RevisionMissing: x',
        'AllTrafficAssigned=False RevisionMissing: x',
      ]),
      revision: revision(...READY),
      pods: [],
    },
    chain: ['Service failed RevisionMissing', 'Route failed RevisionMissing'],
    next: /spec\.traffic/,
  },
  {
    title: 'a host that an ACME server does not find',
    found: {
      service: service('Ready=False CertificateProvisionFailed: x'),
      configuration: configuration(...READY),
      route: object<Route>('Route', 'hello', ['Ready=False CertificateProvisionFailed: x']),
      certificates: [object<Certificate>('Certificate', 'c', ['Ready=False ChallengeFailed: no'])],
      revision: revision(...READY),
      pods: [],
    },
    chain: [
      'Service failed CertificateProvisionFailed',
      'Route failed CertificateProvisionFailed',
      'Certificate failed ChallengeFailed',
    ],
    next: /leads to port 80/,
  },
  {
    title: 'what nobody has looked at since it was changed',
    found: {
      service: { ...service(...READY), metadata: { name: 'hello', generation: 2 } },
      pods: [],
    },
    chain: ['Service waiting NotObserved'],
    next: /look again/,
  },
];

for (const { title, found, chain, next, scale } of cases) {
  test(`why: ${title}`, () => {
    const explanation = explain(found);
    assert.deepEqual(said(explanation), chain);
    assert.match(explanation.next, next);
    if (scale) assert.match(explanation.scale, scale);
  });
}

for (const [annotations, status, conditions, expected] of [
  ['', 'desiredScale: 0, actualScale: 0', ['Active=False NoTraffic'], /at zero.+next request/],
  ['max-scale: "3"', 'desiredScale: 3, actualScale: 2', ['Active=True'], /2 of 3.+max-scale/],
  ['min-scale: "2"', 'desiredScale: 2, actualScale: 2', ['Active=True'], /2 of 2.+min-scale/],
  [
    '',
    'desiredScale: 1, actualScale: 0',
    ['Active=Unknown Queued: Requests are being buffered'],
    /0 of 1.+buffered/,
  ],
] as const) {
  test(`why: scale with ${status}`, () => {
    const known = revision(...READY);
    const [key, value] = annotations.split(': ');
    const said = value ? { [`autoscaling.knative.dev/${key}`]: JSON.parse(value) as string } : {};
    const { scale } = explain({
      service: service(...READY),
      revision: { ...known, metadata: { ...known.metadata, annotations: said } },
      autoscaler: object<PodAutoscaler>('PodAutoscaler', 'r', conditions, `, ${status}`),
      pods: [],
    });
    assert.match(scale, expected);
  });
}
