import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition as Condition,
  CustomResourceDefinitionNames as Names,
  CustomResourceDefinitionStatus as Status,
} from '#api/generated/apiextensions-v1.ts';

/** Names that others of the same group have. */
export interface TakenNames {
  /** Plural, singular and short names. */
  readonly resources: ReadonlySet<string>;
  /** Kinds and list kinds. */
  readonly kinds: ReadonlySet<string>;
}

/** What a definition's status is to be: which of its names are its own, and whether it is served. */
export function desiredStatus(
  { spec, status }: CustomResourceDefinition,
  { taken, now }: { readonly taken: TakenNames; readonly now: string },
): Status {
  const before: Names = status?.acceptedNames ?? { plural: '', kind: '' };
  const { accepted, conflict } = acceptNames(spec.names, before, taken);
  const conditions = [...(status?.conditions ?? [])];
  setCondition(conditions, now, {
    type: 'NamesAccepted',
    status: conflict ? 'False' : 'True',
    reason: conflict?.reason ?? 'NoConflicts',
    message: conflict?.message ?? 'no conflicts found',
  });
  const isEstablished = isTrue(conditions, 'Established') || !conflict;
  setCondition(conditions, now, {
    type: 'Established',
    status: isEstablished ? 'True' : 'False',
    reason: isEstablished ? 'InitialNamesAccepted' : 'NotAccepted',
    message: isEstablished ? 'the initial names have been accepted' : 'not all names are accepted',
  });
  const storage = spec.versions.find(({ storage: isStorage }) => isStorage)?.name ?? '';
  const stored = status?.storedVersions ?? [];
  return {
    ...status,
    conditions,
    acceptedNames: accepted,
    storedVersions: stored.includes(storage) ? stored : [...stored, storage],
  };
}

/** Changes `conditions` in place; the time moves only with the status. */
export function setCondition(
  conditions: Condition[],
  now: string,
  wanted: Omit<Condition, 'lastTransitionTime'>,
): void {
  const at = conditions.findIndex(({ type }) => type === wanted.type);
  const before = conditions[at];
  const lastTransitionTime =
    before?.status === wanted.status ? (before.lastTransitionTime ?? now) : now;
  const condition = { ...wanted, lastTransitionTime };
  if (at < 0) conditions.push(condition);
  else conditions[at] = condition;
}

export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditions?.some((each) => each.type === type && each.status === 'True') ?? false;
}

interface Conflict {
  readonly reason: string;
  readonly message: string;
}

/** Each name is accepted for itself; the last conflict is the one that is told, as Kubernetes does it. */
function acceptNames(
  wanted: Names,
  before: Names,
  { resources, kinds }: TakenNames,
): { readonly accepted: Names; readonly conflict: Conflict | undefined } {
  let conflict: Conflict | undefined;
  const accepted: Names = { ...before, categories: wanted.categories ?? [] };
  if (accepted.categories?.length === 0) delete accepted.categories;
  const claim = (reason: string, names: readonly string[], owned: ReadonlySet<string>): boolean => {
    const foreign = names.filter((name) => owned.has(name));
    if (foreign.length === 0) return true;
    const texts = foreign.map((name) => `${JSON.stringify(name)} is already in use`);
    const message = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
    conflict = { reason, message };
    return false;
  };
  const { plural, singular = '', kind, listKind = '', shortNames = [] } = wanted;
  if (claim('PluralConflict', [plural], resources)) accepted.plural = plural;
  if (claim('SingularConflict', [singular], resources)) accepted.singular = singular;
  if (claim('ShortNamesConflict', shortNames, resources)) {
    if (shortNames.length > 0) accepted.shortNames = shortNames;
    else delete accepted.shortNames;
  }
  if (claim('KindConflict', [kind], kinds)) accepted.kind = kind;
  if (claim('ListKindConflict', [listKind], kinds)) accepted.listKind = listKind;
  return { accepted, conflict };
}
