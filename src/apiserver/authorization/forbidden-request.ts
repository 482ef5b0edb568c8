import { ApiError } from '#api/meta/api-error.ts';
import type { Attributes } from '#apiserver/user.ts';

/** The refusal of a request that the authorizer did not allow, in the words that clients of Kubernetes match on. */
export function forbiddenRequest(attributes: Attributes, reason = ''): ApiError {
  const { user, verb, resource, path } = attributes;
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  const why = reason === '' ? '' : `: ${reason}`;
  if (!resource) {
    return new ApiError('Forbidden', `forbidden: ${who} path ${JSON.stringify(path ?? '')}${why}`);
  }
  const { group, plural, subresource, namespace, name } = resource;
  const full = group === '' ? plural : `${plural}.${group}`;
  const subject = name ? `${full} ${JSON.stringify(name)}` : full;
  const what = subresource ? `${plural}/${subresource}` : plural;
  const where = namespace
    ? `in the namespace ${JSON.stringify(namespace)}`
    : 'at the cluster scope';
  const message = `${subject} is forbidden: ${who} resource "${what}" in API group "${group}" ${where}${why}`;
  return new ApiError('Forbidden', message, {
    ...(name && { name }),
    ...(group && { group }),
    kind: plural,
  });
}
