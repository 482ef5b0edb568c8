import { resourceOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import {
  daemonSetColumns,
  deploymentColumns,
  podTemplateColumns,
  replicaSetColumns,
  statefulSetColumns,
} from '#apiserver/tables/apps-columns.ts';
import { cronJobColumns, jobColumns } from '#apiserver/tables/batch-columns.ts';
import {
  ageColumn,
  column,
  integerColumn,
  nameColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';
import {
  ingressClassColumns,
  ingressColumns,
  networkPolicyColumns,
} from '#apiserver/tables/ingress-columns.ts';
import { nodeMetricsColumns, podMetricsColumns } from '#apiserver/tables/metrics-columns.ts';
import {
  endpointSliceColumns,
  serviceColumns,
  endpointsColumns,
} from '#apiserver/tables/network-columns.ts';
import { eventColumns, eventV1Columns, nodeColumns } from '#apiserver/tables/node-columns.ts';
import { podColumns } from '#apiserver/tables/pod-columns.ts';
import {
  autoscalerColumns,
  autoscalerV1Columns,
  budgetColumns,
  createdAtColumns,
  priorityClassColumns,
  quotaColumns,
} from '#apiserver/tables/policy-columns.ts';
import { roleBindingColumns } from '#apiserver/tables/rbac-columns.ts';
import {
  claimColumns,
  storageClassColumns,
  volumeColumns,
} from '#apiserver/tables/storage-columns.ts';
import type { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import type { ConfigMap } from '#api/core-v1/config-map.ts';
import type { Lease } from '#api/coordination-v1/lease.ts';
import type { Namespace } from '#api/core-v1/namespace.ts';
import type { Secret } from '#api/core-v1/secret.ts';
import type { ServiceAccount } from '#api/core-v1/service-account.ts';

const namespaceColumns: CellsOf<Namespace> = [
  nameColumn,
  column('Status', ({ status }) => status?.phase ?? 'Active'),
  ageColumn,
];
const configMapColumns: CellsOf<ConfigMap> = [
  nameColumn,
  column(
    'Data',
    ({ data, binaryData }) =>
      Object.keys({ ...data }).length + Object.keys({ ...binaryData }).length,
  ),
  ageColumn,
];
const secretColumns: CellsOf<Secret> = [
  nameColumn,
  column('Type', ({ type }) => type ?? ''),
  column('Data', ({ data }) => Object.keys({ ...data }).length),
  ageColumn,
];
const serviceAccountColumns: CellsOf<ServiceAccount> = [
  nameColumn,
  column('Secrets', ({ secrets }) => (secrets ?? []).length),
  ageColumn,
];
const leaseColumns: CellsOf<Lease> = [
  nameColumn,
  column('Holder', ({ spec }) => spec?.holderIdentity ?? ''),
  ageColumn,
];

const webhookColumns: CellsOf<ValidatingWebhookConfiguration> = [
  nameColumn,
  integerColumn('Webhooks', ({ webhooks }) => webhooks?.length ?? 0),
  ageColumn,
];

/** The columns `kubectl get` users know. */
const byResource: Readonly<Record<string, CellsOf<never>>> = {
  namespaces: namespaceColumns,
  configmaps: configMapColumns,
  secrets: secretColumns,
  serviceaccounts: serviceAccountColumns,
  pods: podColumns,
  services: serviceColumns,
  endpoints: endpointsColumns,
  events: eventColumns,
  nodes: nodeColumns,
  'deployments.apps': deploymentColumns,
  'replicasets.apps': replicaSetColumns,
  podtemplates: podTemplateColumns,
  resourcequotas: quotaColumns,
  limitranges: createdAtColumns,
  persistentvolumes: volumeColumns,
  persistentvolumeclaims: claimColumns,
  'statefulsets.apps': statefulSetColumns,
  'daemonsets.apps': daemonSetColumns,
  'jobs.batch': jobColumns,
  'cronjobs.batch': cronJobColumns,
  'horizontalpodautoscalers.autoscaling': autoscalerColumns,
  'events.events.k8s.io': eventV1Columns,
  'storageclasses.storage.k8s.io': storageClassColumns,
  'priorityclasses.scheduling.k8s.io': priorityClassColumns,
  'poddisruptionbudgets.policy': budgetColumns,
  'networkpolicies.networking.k8s.io': networkPolicyColumns,
  'ingresses.networking.k8s.io': ingressColumns,
  'ingressclasses.networking.k8s.io': ingressClassColumns,
  'nodes.metrics.k8s.io': nodeMetricsColumns,
  'pods.metrics.k8s.io': podMetricsColumns,
  'endpointslices.discovery.k8s.io': endpointSliceColumns,
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': webhookColumns,
  'validatingwebhookconfigurations.admissionregistration.k8s.io': webhookColumns,
  'customresourcedefinitions.apiextensions.k8s.io': createdAtColumns,
  'leases.coordination.k8s.io': leaseColumns,
  'roles.rbac.authorization.k8s.io': createdAtColumns,
  'clusterroles.rbac.authorization.k8s.io': createdAtColumns,
  'rolebindings.rbac.authorization.k8s.io': roleBindingColumns,
  'clusterrolebindings.rbac.authorization.k8s.io': roleBindingColumns,
};

/** Undefined for kinds whose columns are paths in their own definition. */
export function coreColumns(kind: Kind): CellsOf<KubeObject> | undefined {
  // The one group whose versions have fields of different names.
  if (kind.plural === 'horizontalpodautoscalers' && kind.version === 'v1') {
    return autoscalerV1Columns as CellsOf<KubeObject>;
  }
  const resource = resourceOf(kind);
  if (!Object.hasOwn(byResource, resource)) return undefined;
  // The entry of a resource takes the objects of that resource, and only these are handed to it.
  return byResource[resource] as CellsOf<KubeObject>;
}
