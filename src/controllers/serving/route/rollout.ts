/** A Revision's part of the traffic, in percent. */
export interface RevisionShare {
  readonly revisionName: string;
  readonly percent: number;
}

/** How a rollout goes on, once the gateway has begun it; times are milliseconds since 1970. */
export interface RolloutSteps {
  readonly nextStepMs: number;
  readonly stepMs: number;
  readonly stepPercent: number;
}

/** Where a Configuration's share of one host goes: to its newest Revision, and for a while to older ones. */
export interface ConfigurationRollout {
  readonly configurationName: string;
  /** Empty for the Route's own hosts. */
  readonly tag: string;
  readonly percent: number;
  /** Oldest first; they sum up to `percent`. */
  readonly revisions: readonly RevisionShare[];
  /** Since when; absent while nothing is on its way. */
  readonly startMs?: number;
  readonly steps?: RolloutSteps;
}

/** Nanoseconds, which is what the annotation counts in. */
const NS = 1_000_000;

/** The value of the annotation on an Ingress (serving specification §3.4). */
export function rolloutText(configurations: readonly ConfigurationRollout[]): string {
  return JSON.stringify({
    configurations: configurations.map(
      ({ configurationName, tag, percent, revisions, startMs, steps }) => ({
        configurationName,
        ...(tag !== '' && { tag }),
        percent,
        revisions,
        stepParams: {
          ...(startMs !== undefined && { starttime: startMs * NS }),
          ...(steps && {
            nextStepTime: steps.nextStepMs * NS,
            stepDuration: Math.round(steps.stepMs * NS),
            stepSize: steps.stepPercent,
          }),
        },
      }),
    ),
  });
}

/** Nothing where the annotation is absent or was tampered with: every share then goes to the newest Revision at once. */
export function parseRollout(text: string | undefined): readonly ConfigurationRollout[] {
  try {
    const { configurations } = JSON.parse(text ?? '{}') as { configurations?: unknown };
    return Array.isArray(configurations) ? configurations.map(parseConfiguration) : [];
  } catch {
    return [];
  }
}

function parseConfiguration(value: unknown): ConfigurationRollout {
  const fields = fieldsOf(value);
  const { stepParams = {}, tag = '' } = fields;
  const { starttime, nextStepTime, stepDuration, stepSize } = fieldsOf(stepParams);
  const percent = countOf(fields['percent']);
  if (!Array.isArray(fields['revisions'])) throw new TypeError('no revisions');
  const revisions = fields['revisions'].map((share: unknown) => {
    const { revisionName, percent: part } = fieldsOf(share);
    return { revisionName: nameOf(revisionName), percent: countOf(part) };
  });
  const sum = revisions.reduce((total, share) => total + share.percent, 0);
  if (sum !== percent || percent > 100) throw new TypeError('the shares do not sum up');
  if (stepSize !== undefined && countOf(stepSize) > percent)
    throw new TypeError('too large a step');
  return {
    configurationName: nameOf(fields['configurationName']),
    tag: nameOf(tag),
    percent,
    revisions,
    // As nanoseconds it has more digits than a number holds: what is lost must not make one more second.
    ...(starttime !== undefined && { startMs: Math.round(countOf(starttime) / NS) }),
    ...(nextStepTime !== undefined && {
      steps: {
        nextStepMs: countOf(nextStepTime) / NS,
        stepMs: countOf(stepDuration) / NS,
        stepPercent: countOf(stepSize),
      },
    }),
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new TypeError('no object');
  // An object's own properties are what JSON.parse made; reading any name from it gives unknown.
  return value as Record<string, unknown>;
}

function nameOf(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('no name');
  return value;
}

function countOf(value: unknown): number {
  if (typeof value !== 'number' || value < 0) throw new TypeError('no number');
  return value;
}
