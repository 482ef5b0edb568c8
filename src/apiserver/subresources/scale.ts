import type { HttpReply } from '#base/http-message.ts';
import { apiVersionOf, type CustomFacts, type Kind } from '#api/kind.ts';
import { ApiError, invalid, notFound } from '#api/meta/api-error.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { selectorText, type LabelSelector } from '#api/meta/selector.ts';
import { negativeErrors } from '#api/meta/value-errors.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import type { AdmissionView } from '#apiserver/admission/admit.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { isDryRun, type Deps, type ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply, withWarnings } from '#apiserver/status-reply.ts';
import { keyOf, objectOf } from '#apiserver/stored-object.ts';
import { valueAt } from '#apiserver/tables/json-path.ts';
import {
  applyToObject,
  isApplyPatch,
  readApplication,
  refuseForce,
} from '#apiserver/verbs/apply.ts';
import { modify } from '#apiserver/verbs/modify.ts';
import { readPatch } from '#apiserver/verbs/patch.ts';

const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
const SCHEMA = { $ref: 'io.k8s.api.autoscaling.v1.Scale' };

interface Scale {
  metadata?: { resourceVersion?: string; uid?: string; name?: string };
  spec?: { replicas?: number };
}

/** GET …/{name}/scale: the replica count alone, as `autoscaling/v1` Scale. */
export async function getScale(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind, namespace, name } = request;
  const entry = await deps.store.get(keyOf(kind, namespace, name));
  if (!entry) throw notFound(kind, name);
  return jsonReply(scaleOf(kind, objectOf(entry)));
}

export async function updateScale(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { value } = await decodeBody(request.body, request.headers['content-type']);
  return changeScale(request, deps, () => value);
}

export async function patchScale(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  if (isApplyPatch(request)) return applyScale(request, deps);
  refuseForce(request);
  const patch = await readPatch(request);
  return changeScale(request, deps, (scale) => patch.to(scale));
}

/** To apply a Scale is to apply the one field of the object that it stands for. */
async function applyScale(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind } = request;
  const { configuration, duplicates } = await readApplication(request, SCALE);
  const { replicas, precondition } = parseScale(kind, configuration);
  const wanted: KubeObject = {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    metadata: { name: request.name, ...precondition },
  };
  setAt(wanted, pathsOf(kind).specReplicasPath, replicas);
  const applied = await applyToObject(request, deps, { configuration: wanted, duplicates });
  return withWarnings(jsonReply(scaleOf(kind, applied.object)), applied.warnings);
}

async function changeScale(
  request: ResourceRequest,
  deps: Deps,
  change: (scale: unknown) => unknown,
): Promise<HttpReply> {
  const modified = await modify(request, deps, {
    async change(current) {
      const object = structuredClone(current);
      writeScale(request.kind, object, change(scaleOf(request.kind, current)));
      return { object, errors: [] };
    },
    part: 'all but status',
    isDryRun: isDryRun(request),
    view: viewOf(request.kind),
  });
  return jsonReply(scaleOf(request.kind, modified.object));
}

function viewOf(kind: Kind): AdmissionView {
  return {
    kind: SCALE,
    of: (object) => scaleOf(kind, object),
    write: (object, scale) => writeScale(kind, object, scale),
  };
}

function writeScale(kind: Kind, object: KubeObject, value: unknown): void {
  const { replicas, precondition } = parseScale(kind, value);
  object.metadata = { ...object.metadata, ...precondition };
  setAt(object, pathsOf(kind).specReplicasPath, replicas);
}

function parseScale(
  kind: Kind,
  value: unknown,
): { replicas: number; precondition: Scale['metadata'] } {
  if (typeof value !== 'object' || value === null) {
    throw new ApiError('BadRequest', 'the body of the request is not a Scale object');
  }
  const scale: Scale & Record<string, unknown> = { ...value };
  const problem = walkSchema(SCHEMA, scale).errors[0];
  if (problem) throw new ApiError('BadRequest', `Scale: ${problem.path}: ${problem.message}`);
  const { resourceVersion, uid } = scale.metadata ?? {};
  const replicas = scale.spec?.replicas ?? 0;
  if (replicas < 0) {
    const { name = '' } = scale.metadata ?? {};
    const { specReplicasPath } = pathsOf(kind);
    throw kind.custom
      ? invalid(kind, name, [
          wrongValue(specReplicasPath, replicas, 'should be a non-negative integer'),
        ])
      : invalid({ ...SCALE, plural: 'scales' }, name, negativeErrors('spec.replicas', replicas));
  }
  return {
    replicas,
    precondition: { ...(resourceVersion && { resourceVersion }), ...(uid && { uid }) },
  };
}

function scaleOf(kind: Kind, object: KubeObject): KubeObject & Record<string, unknown> {
  const paths = pathsOf(kind);
  const found = paths.labelSelectorPath && valueAt(object, paths.labelSelectorPath);
  // Custom resources keep the text; Kubernetes' own kinds a selector, which their schema has checked.
  const own = kind.custom ? {} : ((found ?? {}) as LabelSelector);
  const selector = typeof found === 'string' ? found : selectorText(own);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: Object.fromEntries(
      METADATA.flatMap((field) => {
        const value = object.metadata[field];
        return value === undefined ? [] : [[field, value]];
      }),
    ),
    spec: { replicas: valueAt(object, paths.specReplicasPath) ?? 0 },
    status: {
      replicas: valueAt(object, paths.statusReplicasPath) ?? 0,
      ...(selector && { selector }),
    },
  };
}

const METADATA = ['name', 'namespace', 'uid', 'resourceVersion', 'creationTimestamp'] as const;

const DEFAULT_PATHS = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: '.spec.selector',
};

function pathsOf(kind: Kind): NonNullable<CustomFacts['scale']> {
  return kind.custom?.scale ?? DEFAULT_PATHS;
}

/** `path` is of fields alone: `.spec.replicas`. */
function setAt(object: KubeObject, path: string, value: unknown): void {
  const names = path.slice(1).split('.');
  const last = names.pop() ?? '';
  // Paths come from a definition, so that each step is looked up as the object's own.
  let fields = object as unknown;
  for (const name of names) {
    const outer = fields as Record<string, unknown>;
    const inner = Object.hasOwn(outer, name) ? outer[name] : undefined;
    fields = typeof inner === 'object' && inner !== null ? inner : {};
    outer[name] = fields;
  }
  (fields as Record<string, unknown>)[last] = value;
}
