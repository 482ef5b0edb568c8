import { apiVersionOf, type Kind } from '#api/kind.ts';
import { ApiError, invalid, methodNotAllowed } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { parseResourcePath, type ResourcePath } from '#apiserver/resource-path.ts';
import type { Route, UserRequest } from '#apiserver/route.ts';
import { jsonReply } from '#apiserver/status-reply.ts';

export interface ReviewRoute<T extends KubeObject> {
  readonly kind: Kind<T>;
  /** Returns the object with its answer. Throws ApiError. */
  answer(review: T, request: UserRequest, path: ResourcePath): Promise<T>;
}

/** A route for a kind that is never stored: it is POSTed with a question and comes back with the answer. */
export function reviewRoute<T extends KubeObject>(review: ReviewRoute<T>): Route {
  const { kind } = review;
  return {
    matches: (_method, path) => isBelow(kind, path) && isOf(kind, parseResourcePath(path)),
    async handle(request) {
      if (request.method !== 'POST') throw methodNotAllowed();
      const path = parseResourcePath(request.target.split('?')[0] ?? '');
      if (!path)
        throw new TypeError(`Cannot answer ${request.target}: the route does not match it`);
      const answer = await review.answer(await readReview(kind, request), request, path);
      return jsonReply(answer, { status: 201 });
    },
  };
}

/** Every request is asked about, and nearly none is for these. */
export function isBelow({ group, version }: Kind, path: string): boolean {
  return path.startsWith(`/apis/${group}/${version}/`);
}

function isOf({ group, version, plural, scope }: Kind, path: ResourcePath | undefined): boolean {
  return (
    path !== undefined &&
    path.group === group &&
    path.version === version &&
    path.plural === plural &&
    path.subresource === undefined &&
    path.isWatch === undefined &&
    path.name === undefined &&
    (path.namespace !== undefined) === (scope === 'Namespaced')
  );
}

/** The object in the request's body, checked against the kind's schema. Throws BadRequest or Invalid. */
export async function readReview<T extends KubeObject>(
  kind: Kind<T>,
  request: UserRequest,
): Promise<T> {
  const { value } = await decodeBody(request.body, request.headers['content-type']);
  return asReview(kind, value);
}

/** The same of a decoded value. */
export function asReview<T extends KubeObject>(kind: Kind<T>, value: unknown): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('BadRequest', `the body is no object: a ${kind.kind} was expected`);
  }
  const wanted = { apiVersion: apiVersionOf(kind), kind: kind.kind };
  // Kubernetes' own clients send an empty status, which need not be valid: only the server has anything to say there.
  const { status: _answer, ...question } = value as { status?: unknown };
  const object = { ...wanted, metadata: {}, ...question };
  for (const field of ['apiVersion', 'kind'] as const) {
    const expected = wanted[field];
    if (object[field] === expected) continue;
    const found = JSON.stringify(object[field]);
    throw new ApiError(
      'BadRequest',
      `the body has the ${field} ${found}: ${expected} was expected`,
    );
  }
  const { errors } = walkSchema(kind.schema, object);
  if (errors.length > 0) throw invalid(kind, '', errors);
  // The walk above has just checked it against the schema that T is generated from.
  return object as KubeObject as T;
}
