import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Conditions, type Condition } from '#api/meta/conditions.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import {
  markDeployment,
  markPodAutoscaler,
} from '#controllers/serving/revision/revision-status.ts';

const now = new Date('2026-01-01T00:00:00Z');

function conditionsFrom(previous: readonly Condition[] = []): Conditions {
  return new Conditions({ set: Revision.conditions, previous, now });
}

function render(conditions: Conditions): string {
  return conditions
    .list()
    .map(({ type, status, reason }) => [`${type}=${status}`, reason].filter(Boolean).join(' '))
    .join(', ');
}

type DeploymentStatus = NonNullable<Deployment['status']>;
function deployment(status: DeploymentStatus, replicas = 1): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: Deployment.kind,
    metadata: {},
    spec: { replicas, selector: {}, template: {} },
    status,
  };
}

const progressing = (status: string, reason: string): DeploymentStatus => ({
  conditions: [{ type: 'Progressing', status, reason }],
});

type PodStatus = NonNullable<Pod['status']>;
function pod(status: PodStatus): Pod {
  return { apiVersion: 'v1', kind: Pod.kind, metadata: {}, status };
}

function container(
  states: Pick<NonNullable<PodStatus['containerStatuses']>[number], 'state' | 'lastState'>,
): Pod {
  const status = { name: 'c', image: '', imageID: '', ready: false, restartCount: 0, ...states };
  return pod({ containerStatuses: [status] });
}

const timedOut = progressing('False', 'ProgressDeadlineExceeded');
const up = progressing('True', 'NewReplicaSetAvailable');
const backOff = container({ state: { waiting: { reason: 'ImagePullBackOff', message: 'no' } } });

for (const { name, status, of, expected, replicas } of [
  {
    name: 'has said nothing yet',
    status: {},
    expected:
      'ContainerHealthy=Unknown, Ready=Unknown Deploying, ResourcesAvailable=Unknown Deploying',
  },
  {
    name: 'is up',
    status: { ...up, readyReplicas: 1, availableReplicas: 1 },
    expected: 'ContainerHealthy=True, Ready=True, ResourcesAvailable=True',
  },
  {
    name: 'did not progress in time',
    status: timedOut,
    expected:
      'ContainerHealthy=Unknown, Ready=False ProgressDeadlineExceeded, ResourcesAvailable=False ProgressDeadlineExceeded',
  },
  {
    name: 'may not create pods',
    status: {
      conditions: [
        { type: 'Progressing', status: 'True' },
        { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'quota' },
      ],
    },
    expected:
      'ContainerHealthy=Unknown, Ready=False FailedCreate, ResourcesAvailable=False FailedCreate',
  },
  {
    name: 'has a pod that fits nowhere',
    status: progressing('True', 'ReplicaSetUpdated'),
    of: pod({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] }),
    expected:
      'ContainerHealthy=Unknown, Ready=False Unschedulable, ResourcesAvailable=False Unschedulable',
  },
  {
    name: 'has a pod whose program ended',
    status: progressing('True', 'ReplicaSetUpdated'),
    of: container({ lastState: { terminated: { exitCode: 2 } } }),
    expected: 'ContainerHealthy=False ExitCode2, Ready=False ExitCode2, ResourcesAvailable=True',
  },
  {
    name: 'has a pod that waits for its image, and time left',
    status: progressing('True', 'ReplicaSetUpdated'),
    of: backOff,
    expected: 'ContainerHealthy=Unknown, Ready=Unknown, ResourcesAvailable=True',
  },
  {
    name: 'has a pod that waits for its image, and no time left',
    status: timedOut,
    of: backOff,
    expected:
      'ContainerHealthy=Unknown, Ready=False ImagePullBackOff, ResourcesAvailable=False ImagePullBackOff',
  },
  {
    name: 'is at zero: old pods say nothing',
    status: up,
    of: container({ lastState: { terminated: { exitCode: 2 } } }),
    replicas: 0,
    expected: 'ContainerHealthy=Unknown, Ready=Unknown, ResourcesAvailable=True',
  },
] satisfies {
  name: string;
  status: DeploymentStatus;
  of?: Pod;
  replicas?: number;
  expected: string;
}[]) {
  test(`revision: its Deployment ${name}`, () => {
    const conditions = conditionsFrom();
    markDeployment(conditions, deployment(status, replicas), {
      pod: of,
      isAlwaysSchedulable: false,
    });
    assert.equal(render(conditions), expected);
  });
}

interface AutoscalerCase {
  readonly name: string;
  readonly ready?: Condition['status'];
  readonly isInitialized?: boolean;
  readonly before: string;
  readonly expected: string;
}

const autoscalerCases: AutoscalerCase[] = [
  {
    name: 'has said nothing yet',
    before: 'ResourcesAvailable=True',
    expected:
      'Active=Unknown Deploying, ContainerHealthy=Unknown, Ready=Unknown Deploying, ResourcesAvailable=Unknown Deploying',
  },
  {
    name: 'is up',
    ready: 'True',
    isInitialized: true,
    before: 'ResourcesAvailable=Unknown',
    expected: 'Active=True, ContainerHealthy=True, Ready=True, ResourcesAvailable=True',
  },
  {
    name: 'is at zero after having been up: still Ready',
    ready: 'False',
    isInitialized: true,
    before: 'ResourcesAvailable=True',
    expected: 'Active=False Why, ContainerHealthy=True, Ready=True, ResourcesAvailable=True',
  },
  {
    name: 'went to zero and was never up',
    ready: 'False',
    before: 'ResourcesAvailable=True',
    expected:
      'Active=False Why, ContainerHealthy=Unknown, Ready=False ProgressDeadlineExceeded, ResourcesAvailable=False ProgressDeadlineExceeded',
  },
  {
    name: 'went to zero and was never up, whose program has said why',
    ready: 'False',
    before: 'ContainerHealthy=False',
    expected: 'Active=False Why, ContainerHealthy=False, Ready=False, ResourcesAvailable=Unknown',
  },
  {
    name: 'has said nothing yet, of one whose program has failed',
    before: 'ContainerHealthy=False',
    expected:
      'Active=Unknown Deploying, ContainerHealthy=False, Ready=False, ResourcesAvailable=Unknown',
  },
  {
    name: 'is coming up',
    ready: 'Unknown',
    before: 'ResourcesAvailable=True',
    expected:
      'Active=Unknown Why, ContainerHealthy=Unknown, Ready=Unknown Deploying, ResourcesAvailable=Unknown Deploying',
  },
  {
    name: 'cannot unsay what the Deployment said',
    ready: 'True',
    isInitialized: true,
    before: 'ResourcesAvailable=False',
    expected: 'Active=True, ContainerHealthy=Unknown, Ready=False, ResourcesAvailable=False',
  },
];

for (const { name, ready, isInitialized, before, expected } of autoscalerCases) {
  test(`revision: its PodAutoscaler ${name}`, () => {
    const conditions = conditionsFrom();
    const [type = '', status] = before.split('=');
    conditions.mark(type, { status: status === 'True' || status === 'False' ? status : 'Unknown' });
    const autoscaler: PodAutoscaler = {
      apiVersion: 'autoscaling.internal.knative.dev/v1alpha1',
      kind: PodAutoscaler.kind,
      metadata: {},
      spec: { protocolType: 'http1', scaleTargetRef: {} },
      status: {
        serviceName: 'hello-00001',
        conditions: [
          ...(ready ? [{ type: 'Ready', status: ready, reason: 'Why' }] : []),
          ...(isInitialized ? [{ type: 'ScaleTargetInitialized', status: 'True' as const }] : []),
        ],
      },
    };
    markPodAutoscaler(conditions, autoscaler);
    assert.equal(render(conditions), expected);
  });
}
