import { jobSpecErrors } from '#api/batch-v1/job-errors.ts';
import { parseSchedule } from '#api/batch-v1/schedule.ts';
import { defaultPodSpec } from '#api/core-v1/pod-defaults.ts';
import type { CronJob as Generated, CronJobSpec } from '#api/generated/batch-v1.ts';
import { nameWarnings, templateWarnings } from '#api/core-v1/pod-warnings.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { negativeErrors, unsupportedErrors, unsupportedValue } from '#api/meta/value-errors.ts';

/** Its Jobs' names are its own and eleven more characters, and have to fit a label. */
const NAME_LENGTH_MAX = 52;

export type CronJob = Generated;
export const CronJob = defineCoreKind<CronJob>({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  scope: 'Namespaced',
  definition: 'io.k8s.api.batch.v1.CronJob',
  shortNames: ['cj'],
  categories: ['all'],
  subresources: ['status'],
  default({ spec }) {
    if (!spec) return;
    spec.concurrencyPolicy ??= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    // The Job's own fields are filled in when one is made; the pod's are part of the template already.
    const podSpec = spec.jobTemplate?.spec?.template?.spec;
    if (podSpec) defaultPodSpec(podSpec);
  },
  validate({ metadata, spec }) {
    if (!spec) return [required('spec')];
    const { name = '' } = metadata;
    return [
      ...(name.length > NAME_LENGTH_MAX
        ? [wrongValue('metadata.name', name, 'must be no more than 52 characters')]
        : []),
      ...scheduleErrors(spec),
      ...negativeErrors('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds),
      ...timeZoneErrors(spec.timeZone),
      ...unsupportedErrors('spec.concurrencyPolicy', spec.concurrencyPolicy, [
        'Allow',
        'Forbid',
        'Replace',
      ]),
      ...jobSpecErrors(spec.jobTemplate?.spec, 'spec.jobTemplate.spec'),
      // Its Jobs would all select the same pods.
      ...(spec.jobTemplate?.spec?.manualSelector
        ? [unsupportedValue('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false'])]
        : []),
      ...negativeErrors('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit),
      ...negativeErrors('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit),
    ];
  },
  warnings({ metadata, spec }, { previous }) {
    const [template, before] = [spec, previous?.spec].map(
      (each) => each?.jobTemplate?.spec?.template,
    );
    return [
      ...(previous ? [] : nameWarnings(metadata)),
      ...templateWarnings(template, before, 'spec.jobTemplate.spec.template'),
    ];
  },
});

function scheduleErrors({ schedule }: CronJobSpec): FieldError[] {
  if (!schedule) return [required('spec.schedule')];
  if (/^(?:CRON_)?TZ=/.test(schedule)) {
    const why = 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
    return [wrongValue('spec.schedule', schedule, why)];
  }
  const parsed = parseSchedule(schedule);
  return 'problem' in parsed ? [wrongValue('spec.schedule', schedule, parsed.problem)] : [];
}

function timeZoneErrors(zone: string | undefined): FieldError[] {
  if (zone === undefined) return [];
  if (zone === '')
    return [wrongValue('spec.timeZone', zone, 'timeZone must be nil or non-empty string')];
  if (zone.toLowerCase() === 'local') {
    const why =
      'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    return [wrongValue('spec.timeZone', zone, why)];
  }
  return isTimeZone(zone) ? [] : [wrongValue('spec.timeZone', zone, `unknown time zone ${zone}`)];
}

/** By the name of the IANA's list; offsets, which the language takes too, are not names. */
function isTimeZone(zone: string): boolean {
  if (!/^[A-Za-z]/.test(zone)) return false;
  try {
    return Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
