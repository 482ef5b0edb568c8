import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at } from '#test/support/wire.ts';

/** Every listed kind of Kubernetes' own, with its columns: `:` a type other than string, `*` only in wide output. */
const COLUMNS: readonly (readonly [resource: string, columns: string])[] = [
  ['v1/configmaps', 'Name | Data | Age'],
  ['v1/endpoints', 'Name | Endpoints | Age'],
  [
    'v1/events',
    'Last Seen | Type | Reason | Object | Subobject* | Source* | Message | First Seen* | Count* | Name*',
  ],
  ['v1/limitranges', 'Name | Created At:date'],
  ['v1/namespaces', 'Name | Status | Age'],
  [
    'v1/nodes',
    'Name | Status | Roles | Age | Version | Internal-IP* | External-IP* | OS-Image* | Kernel-Version* | Container-Runtime*',
  ],
  [
    'v1/persistentvolumeclaims',
    'Name | Status | Volume | Capacity | Access Modes | StorageClass | VolumeAttributesClass | Age | VolumeMode*',
  ],
  [
    'v1/persistentvolumes',
    'Name | Capacity | Access Modes | Reclaim Policy | Status | Claim | StorageClass | VolumeAttributesClass | Reason | Age | VolumeMode*',
  ],
  [
    'v1/pods',
    'Name | Ready | Status | Restarts | Age | IP* | Node* | Nominated Node* | Readiness Gates*',
  ],
  ['v1/podtemplates', 'Name | Containers | Images | Pod Labels'],
  ['v1/resourcequotas', 'Name | Request | Limit | Age'],
  ['v1/secrets', 'Name | Type | Data | Age'],
  ['v1/serviceaccounts', 'Name | Secrets | Age'],
  ['v1/services', 'Name | Type | Cluster-IP | External-IP | Port(s) | Age | Selector*'],
  [
    'admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
    'Name | Webhooks:integer | Age',
  ],
  [
    'admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
    'Name | Webhooks:integer | Age',
  ],
  ['apiextensions.k8s.io/v1/customresourcedefinitions', 'Name | Created At:date'],
  [
    'apps/v1/daemonsets',
    'Name | Desired:integer | Current:integer | Ready:integer | Up-to-date:integer | Available:integer | Node Selector | Age | Containers* | Images* | Selector*',
  ],
  [
    'apps/v1/deployments',
    'Name | Ready | Up-to-date | Available | Age | Containers* | Images* | Selector*',
  ],
  [
    'apps/v1/replicasets',
    'Name | Desired:integer | Current:integer | Ready:integer | Age | Containers* | Images* | Selector*',
  ],
  ['apps/v1/statefulsets', 'Name | Ready | Age | Containers* | Images*'],
  [
    'autoscaling/v1/horizontalpodautoscalers',
    'Name | Reference | Targets | MinPods | MaxPods | Replicas | Age',
  ],
  [
    'autoscaling/v2/horizontalpodautoscalers',
    'Name | Reference | Targets | MinPods | MaxPods | Replicas | Age',
  ],
  [
    'batch/v1/cronjobs',
    'Name | Schedule | Timezone | Suspend:boolean | Active:integer | Last Schedule | Age | Containers* | Images* | Selector*',
  ],
  [
    'batch/v1/jobs',
    'Name | Status | Completions | Duration | Age | Containers* | Images* | Selector*',
  ],
  ['coordination.k8s.io/v1/leases', 'Name | Holder | Age'],
  ['discovery.k8s.io/v1/endpointslices', 'Name | AddressType | Ports | Endpoints | Age'],
  [
    'events.k8s.io/v1/events',
    'Last Seen | Type | Reason | Object | Subobject* | Source* | Message | First Seen* | Count* | Name*',
  ],
  ['networking.k8s.io/v1/ingressclasses', 'Name | Controller | Parameters | Age'],
  ['networking.k8s.io/v1/ingresses', 'Name | Class | Hosts | Address | Ports | Age'],
  ['networking.k8s.io/v1/networkpolicies', 'Name | Pod-Selector | Age'],
  [
    'policy/v1/poddisruptionbudgets',
    'Name | Min Available | Max Unavailable | Allowed Disruptions:integer | Age',
  ],
  [
    'rbac.authorization.k8s.io/v1/clusterrolebindings',
    'Name | Role | Age | Users* | Groups* | ServiceAccounts*',
  ],
  ['rbac.authorization.k8s.io/v1/clusterroles', 'Name | Created At:date'],
  [
    'rbac.authorization.k8s.io/v1/rolebindings',
    'Name | Role | Age | Users* | Groups* | ServiceAccounts*',
  ],
  ['rbac.authorization.k8s.io/v1/roles', 'Name | Created At:date'],
  [
    'scheduling.k8s.io/v1/priorityclasses',
    'Name | Value:integer | Global-Default:boolean | Age | PreemptionPolicy',
  ],
  [
    'storage.k8s.io/v1/storageclasses',
    'Name | Provisioner | ReclaimPolicy | VolumeBindingMode | AllowVolumeExpansion | Age',
  ],
];

interface Definition {
  readonly name: string;
  readonly type: string;
  readonly priority: number;
}

test('tables: the columns of every kind', async () => {
  const { send } = await clusterUnderTest();
  const headers = { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' };
  for (const [resource, expected] of COLUMNS) {
    const root = resource.startsWith('v1/') ? 'api' : 'apis';
    const target = `/${root}/${resource}?limit=1`;
    const { status, body } = await send('GET', target, undefined, { headers });
    assert.equal(status, 200, resource);
    const columns = (at(body, 'columnDefinitions') as Definition[]).map(
      ({ name, type, priority }) =>
        `${name}${type === 'string' ? '' : `:${type}`}${priority > 0 ? '*' : ''}`,
    );
    assert.equal(columns.join(' | '), expected, resource);
  }
});

test('tables: no kind of ours is without its columns here', async () => {
  const { send, isReal } = await clusterUnderTest();
  const { body } = await send('GET', '/apis');
  const groups = at(body, 'groups') as { name: string; versions: { groupVersion: string }[] }[];
  const own = groups.filter(({ name }) => !/knative|metrics|example\.com$/.test(name));
  const versions = own.flatMap((group) => group.versions.map(({ groupVersion }) => groupVersion));
  const served: string[] = [];
  for (const version of ['v1', ...versions]) {
    const list = await send('GET', `/${version === 'v1' ? 'api' : 'apis'}/${version}`);
    const resources = at(list.body, 'resources') as { name: string; verbs: string[] }[];
    const listed = resources.filter(
      ({ name, verbs }) => !name.includes('/') && verbs.includes('list'),
    );
    served.push(...listed.map(({ name }) => `${version}/${name}`));
  }
  const known = new Set(COLUMNS.map(([resource]) => resource));
  // A real one serves kinds that ours does not.
  const [some, all] = isReal ? [known, new Set(served)] : [new Set(served), known];
  assert.deepEqual([...some.difference(all)], []);
});
