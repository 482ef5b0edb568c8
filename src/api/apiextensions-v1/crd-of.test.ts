import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  JSONSchemaProps,
} from '#api/generated/apiextensions-v1.ts';
import { crdOf } from '#api/apiextensions-v1/crd-of.ts';
import { definitionErrors } from '#api/apiextensions-v1/definition-errors.ts';
import { servingKinds } from '#api/kinds.ts';

type Upstream = Readonly<Record<string, Omit<CustomResourceDefinitionSpec, 'conversion'>>>;

/** Set where the comparison has to be made, as in CI: a file that is absent is then a failure. */
const DEMANDED = process.env['KNODE_UPSTREAM_CRDS'];
const FILE = DEMANDED ?? new URL('../../../../shared/data/upstream-crds.json', import.meta.url);

function upstream(context: TestContext): Upstream | undefined {
  if (DEMANDED !== undefined || existsSync(FILE))
    return JSON.parse(readFileSync(FILE, 'utf8')) as Upstream;
  context.diagnostic('did not run: ../shared/data/upstream-crds.json is not beside this clone');
  return undefined;
}

function ours(): CustomResourceDefinition[] {
  return servingKinds.map(crdOf);
}

/*
 * Differences on purpose, all in the spec of a revision. Ours names Kubernetes' own types whole, so that what Knative does
 * not allow is refused by name, by validation, where upstream's silently prunes it.
 */
const ONLY_OURS = [
  ...['fileKeyRef'].map((name) => `containers[].env[].valueFrom.${name}`),
  ...['liveness', 'readiness', 'startup'].map(
    (name) => `containers[].${name}Probe.terminationGracePeriodSeconds`,
  ),
  ...['hostIP', 'hostPort'].map((name) => `containers[].ports[].${name}`),
  'containers[].resources.claims',
  ...['appArmorProfile', 'procMount', 'seLinuxOptions', 'windowsOptions'].map(
    (name) => `containers[].securityContext.${name}`,
  ),
  ...['recursiveReadOnly', 'subPathExpr'].map((name) => `containers[].volumeMounts[].${name}`),
  ...[
    'awsElasticBlockStore',
    'azureDisk',
    'azureFile',
    'cephfs',
    'cinder',
    'downwardAPI',
    'fc',
    'flexVolume',
    'flocker',
    'gcePersistentDisk',
    'gitRepo',
    'glusterfs',
    'iscsi',
    'nfs',
    'photonPersistentDisk',
    'portworxVolume',
    'projected.sources[].clusterTrustBundle',
    'projected.sources[].podCertificate',
    'quobyte',
    'rbd',
    'scaleIO',
    'storageos',
    'vsphereVolume',
  ].map((name) => `volumes[].${name}`),
];
/** What upstream leaves open behind its feature flags has Kubernetes' own fields in ours, and no others. */
const OPEN_UPSTREAM = [
  'affinity',
  'containers[].env[].valueFrom.fieldRef',
  'containers[].env[].valueFrom.resourceFieldRef',
  'dnsConfig',
  'hostAliases[]',
  'initContainers[]',
  'securityContext',
  'tolerations[]',
  'topologySpreadConstraints[]',
  ...['csi', 'emptyDir', 'ephemeral', 'hostPath', 'image', 'persistentVolumeClaim'].map(
    (name) => `volumes[].${name}`,
  ),
];
/** Where a definition has the spec of a revision. */
const REVISION_SPECS: Readonly<Record<string, string>> = {
  'services.serving.knative.dev': '.spec.template.spec',
  'configurations.serving.knative.dev': '.spec.template.spec',
  'revisions.serving.knative.dev': '.spec',
};

function onPurpose(name: string): string[] {
  const root = REVISION_SPECS[name];
  if (root === undefined) return [];
  const added = ONLY_OURS.map((path) => `+ ${root}.${path}`);
  return [...added, ...OPEN_UPSTREAM.map((path) => `- ${root}.${path}.**`)].toSorted();
}

test('crds: those of our kinds are structural, and Kubernetes’ rules hold for them', () => {
  for (const crd of ours()) {
    assert.deepEqual(definitionErrors(crd, undefined), []);
  }
});

test('crds: have upstream’s names, versions, subresources and columns', (context) => {
  const theirs = upstream(context);
  if (!theirs) return;
  for (const { metadata, spec } of ours()) {
    const name = metadata.name ?? '';
    const wanted: Upstream[string] | undefined = theirs[name];
    if (!wanted) assert.fail(`upstream has no ${name}`);
    const { listKind: _, ...names } = spec.names;
    assert.deepEqual(names, wanted.names, name);
    assert.equal(spec.scope, wanted.scope, name);
    assert.deepEqual(spec.versions.map(shown), wanted.versions.map(shown), name);
  }
});

test('crds: accept and prune the fields that upstream’s do', (context) => {
  const theirs = upstream(context);
  if (!theirs) return;
  for (const { metadata, spec } of ours()) {
    const name = metadata.name ?? '';
    const own = fieldsOf(spec.versions[0]?.schema?.openAPIV3Schema);
    const wanted = fieldsOf(theirs[name]?.versions[0]?.schema?.openAPIV3Schema);
    const found = [
      ...only(own, wanted).map((path) => `+ ${path}`),
      ...only(wanted, own).map((path) => `- ${path}`),
    ];
    assert.deepEqual(found.toSorted(), onPurpose(name), name);
  }
});

test('crds: their lists are merged by the keys that upstream’s are', (context) => {
  const theirs = upstream(context);
  if (!theirs) return;
  for (const { metadata, spec } of ours()) {
    const name = metadata.name ?? '';
    const own = keysOf(spec.versions[0]?.schema?.openAPIV3Schema);
    const wanted = keysOf(theirs[name]?.versions[0]?.schema?.openAPIV3Schema);
    // Upstream leaves these open, or has them not at all.
    const closed = own.filter((path) => !/initContainers\[\]|\.claims|\.ephemeral\./.test(path));
    assert.deepEqual(closed.toSorted(), wanted.toSorted(), name);
  }
});

/** Lists that several appliers may each own items of, by their paths. */
function keysOf(schema: JSONSchemaProps = {}, path = ''): string[] {
  const { properties = {}, items, additionalProperties } = schema;
  const keys = schema['x-kubernetes-list-map-keys'];
  const inItems =
    items && !Array.isArray(items) ? keysOf(items as JSONSchemaProps, `${path}[]`) : [];
  const inEntries =
    typeof additionalProperties === 'object'
      ? keysOf(additionalProperties as JSONSchemaProps, `${path}{}`)
      : [];
  return [
    ...(keys ? [`${path} ${keys.join(',')}`] : []),
    ...Object.entries(properties).flatMap(([name, each]) => keysOf(each, `${path}.${name}`)),
    ...inItems,
    ...inEntries,
  ];
}

function shown(version: CustomResourceDefinitionSpec['versions'][number]): unknown {
  const { name, served, storage, subresources, additionalPrinterColumns = [] } = version;
  const columns = additionalPrinterColumns.map(
    ({ name: title, type, jsonPath, priority = 0 }) =>
      `${title} ${type} ${jsonPath.replaceAll('"', "'")} ${priority}`,
  );
  return { name, served, storage, subresources, columns };
}

/** Every field by its path; what takes any field ends in `.**`. */
function fieldsOf(schema: JSONSchemaProps = {}, path = ''): Set<string> {
  const found = new Set<string>();
  const visit = (part: unknown, at: string): void => {
    if (typeof part === 'object' && part !== null && !Array.isArray(part)) {
      for (const inner of fieldsOf(part, at)) found.add(inner);
    }
  };
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] && !schema.type?.match(/array/);
  if (isOpen) found.add(`${path}.**`);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    found.add(`${path}.${name}`);
    visit(property, `${path}.${name}`);
  }
  visit(schema.items, `${path}[]`);
  visit(schema.additionalProperties, `${path}{}`);
  return found;
}

/** The outermost fields of `some` that `others` do not take. */
function only(some: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  const isInside = (path: string, root: string): boolean =>
    path.startsWith(root) && /^[.[{]/.test(path.slice(root.length));
  const open = [...others].filter((path) => path.endsWith('.**')).map((path) => path.slice(0, -3));
  const foreign = [...some].filter(
    (path) => !others.has(path) && !open.some((root) => isInside(path, root)),
  );
  return foreign.filter((path) => !foreign.some((root) => isInside(path, root)));
}

test('crds: say what their objects can be taken for by those who do not know them', () => {
  const ducks = ours().flatMap(({ metadata }) =>
    Object.keys(metadata?.labels ?? {})
      .filter((label) => label.startsWith('duck.'))
      .map((label) => `${metadata?.name} ${label}`),
  );
  assert.deepEqual(ducks, [
    'services.serving.knative.dev duck.knative.dev/addressable',
    'services.serving.knative.dev duck.knative.dev/podspecable',
    'configurations.serving.knative.dev duck.knative.dev/podspecable',
    'routes.serving.knative.dev duck.knative.dev/addressable',
  ]);
});
