import { isDeepStrictEqual } from 'node:util';
import { containerErrors } from '#api/core-v1/container-errors.ts';
import type { EphemeralContainer, PodSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField } from '#api/meta/field-error.ts';
import { duplicateValue, notFoundValue } from '#api/meta/value-errors.ts';

const UNSET = 'cannot be set for an Ephemeral Container';
/** What is for containers that are there to stay. */
const FORBIDDEN = [
  'ports',
  'resources',
  'resizePolicy',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

/** What is wrong with containers that somebody put into a running pod to look around. */
export function ephemeralErrors(spec: PodSpec, at: string): FieldError[] {
  const own = [...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name);
  const names = new Set(own);
  return (spec.ephemeralContainers ?? []).flatMap((container, index) => {
    const path = `${at}.ephemeralContainers[${index}]`;
    const { name, targetContainerName: target, volumeMounts = [] } = container;
    const isTaken = names.has(name);
    names.add(name);
    return [
      ...containerErrors(container, path, spec),
      ...(isTaken ? [duplicateValue(`${path}.name`, name)] : []),
      ...(target && !own.includes(target)
        ? [notFoundValue(`${path}.targetContainerName`, target)]
        : []),
      ...FORBIDDEN.filter((field) => isSet(container[field])).map((field) =>
        forbiddenField(`${path}.${field}`, UNSET),
      ),
      ...volumeMounts.flatMap(({ subPath, subPathExpr }, place) =>
        Object.entries({ subPath, subPathExpr })
          .filter(([, value]) => value)
          .map(([field]) => forbiddenField(`${path}.volumeMounts[${place}].${field}`, UNSET)),
      ),
    ];
  });
}

function isSet(value: object | undefined): boolean {
  return Object.keys(value ?? {}).length > 0;
}

/** They come, and stay as they came. */
export function ephemeralChangeErrors(
  after: readonly EphemeralContainer[],
  before: readonly EphemeralContainer[],
): FieldError[] {
  return before.flatMap((old) => {
    const now = after.find(({ name }) => name === old.name);
    if (now && isDeepStrictEqual(now, old)) return [];
    const what = now ? 'changed' : 'removed';
    const why = `existing ephemeral containers ${JSON.stringify(old.name)} may not be ${what}\n`;
    return [forbiddenField('spec.ephemeralContainers', why)];
  });
}
