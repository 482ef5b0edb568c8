import type { ResourceRequirements } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { nameErrors, qualifiedName } from '#api/meta/name-errors.ts';
import { parseQuantity, renderQuantity } from '#api/meta/quantity.ts';

type Amount = string | number;

const COMPUTE = ['cpu', 'memory'];
const STANDARD = [...COMPUTE, 'ephemeral-storage'];
const HUGE_PAGES = 'hugepages-';
const NANO = 1_000_000_000n;

/** What a container asks for and may have: known names, whole numbers of what cannot be shared, never more than it may. */
export function resourceErrors(resources: ResourceRequirements, at: string): FieldError[] {
  const { limits = {}, requests = {} } = resources;
  const errors = [
    ...Object.entries(limits).flatMap(([name, amount]) =>
      amountErrors(name, amount, `${at}.limits[${name}]`),
    ),
    ...Object.entries(requests).flatMap(([name, amount]) => [
      ...amountErrors(name, amount, `${at}.requests[${name}]`),
      // A request may be of what every object has: `constructor`.
      ...orderErrors(
        { name, amount, limit: Object.hasOwn(limits, name) ? limits[name] : undefined },
        at,
      ),
    ]),
  ];
  const names = Object.keys({ ...limits, ...requests });
  const isHuge = names.some((name) => name.startsWith(HUGE_PAGES));
  if (isHuge && !names.some((name) => COMPUTE.includes(name))) {
    errors.push(forbiddenField(at, 'HugePages require cpu or memory'));
  }
  return errors;
}

/** Nodes may promise more of it than they have. */
function isOvercommitted(name: string): boolean {
  return isNative(name) && !name.startsWith(HUGE_PAGES);
}

function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

function orderErrors(
  { name, amount, limit }: { name: string; amount: Amount; limit: Amount | undefined },
  at: string,
): FieldError[] {
  if (limit === undefined) {
    if (isOvercommitted(name)) return [];
    return [required(`${at}.limits`, 'Limit must be set for non overcommitable resources')];
  }
  const [asked, most] = [parseQuantity(amount), parseQuantity(limit)];
  const [shown, shownMost] = [renderQuantity(asked), renderQuantity(most)];
  const wrong = (how: string): FieldError[] => [
    wrongValue(`${at}.requests`, shown, `must be ${how} ${name} limit of ${shownMost}`),
  ];
  if (asked.nano !== most.nano && !isOvercommitted(name)) return wrong('equal to');
  return asked.nano > most.nano ? wrong('less than or equal to') : [];
}

function amountErrors(name: string, amount: Amount, path: string): FieldError[] {
  const { nano } = parseQuantity(amount);
  const shown = renderQuantity(parseQuantity(amount));
  return [
    ...containerResourceErrors(name, path),
    ...(nano < 0n ? [wrongValue(path, shown, 'must be greater than or equal to 0')] : []),
    ...(!isNative(name) && nano % NANO !== 0n
      ? [wrongValue(path, shown, 'must be an integer')]
      : []),
    ...hugePageErrors(name, amount, path),
  ];
}

/** Of the name of a resource that containers are given. */
export function containerResourceErrors(name: string, path: string): FieldError[] {
  const isStandard = STANDARD.includes(name) || name.startsWith(HUGE_PAGES);
  const errors = nameErrors(qualifiedName, path, name);
  if (isStandard || name.includes('/')) return errors;
  return [
    ...errors,
    wrongValue(path, name, 'must be a standard resource type or fully qualified'),
    wrongValue(path, name, 'must be a standard resource for containers'),
  ];
}

function hugePageErrors(name: string, amount: Amount, path: string): FieldError[] {
  if (!name.startsWith(HUGE_PAGES)) return [];
  const page = /^\d/.test(name.slice(HUGE_PAGES.length)) ? name.slice(HUGE_PAGES.length) : '1';
  const { nano } = parseQuantity(amount);
  const size = parseQuantity(page).nano;
  if (nano > 0n && nano % size === 0n) return [];
  const shown = renderQuantity(parseQuantity(amount));
  return [wrongValue(path, shown, `${shown} is not positive integer multiple of ${name}`)];
}
