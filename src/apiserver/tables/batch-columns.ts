import type { CronJob } from '#api/batch-v1/cron-job.ts';
import type { Job } from '#api/batch-v1/job.ts';
import { ageOf, humanDuration } from '#apiserver/tables/age.ts';
import {
  ageColumn,
  column,
  integerColumn,
  nameColumn,
  orNone,
  wideColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';
import { containerNames, images, selectorText } from '#apiserver/tables/template-columns.ts';

export const jobColumns: CellsOf<Job> = [
  nameColumn,
  column('Status', jobStatus),
  column('Completions', ({ spec, status }) => {
    const succeeded = status?.succeeded ?? 0;
    if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
    const parallelism = spec?.parallelism ?? 0;
    return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
  }),
  column('Duration', ({ status }, now) => {
    if (status?.startTime === undefined) return '';
    const end =
      status.completionTime === undefined ? now.getTime() : Date.parse(status.completionTime);
    return humanDuration(end - Date.parse(status.startTime));
  }),
  ageColumn,
  wideColumn('Containers', ({ spec }) => containerNames(spec?.template)),
  wideColumn('Images', ({ spec }) => images(spec?.template)),
  wideColumn('Selector', ({ spec }) => selectorText(spec?.selector)),
];

export const cronJobColumns: CellsOf<CronJob> = [
  nameColumn,
  column('Schedule', ({ spec }) => spec?.schedule ?? ''),
  column('Timezone', ({ spec }) => orNone(spec?.timeZone)),
  {
    name: 'Suspend',
    type: 'boolean',
    cell: ({ spec }) => (spec?.suspend ? 'True' : 'False'),
  },
  integerColumn('Active', ({ status }) => status?.active?.length ?? 0),
  column('Last Schedule', ({ status }, now) =>
    status?.lastScheduleTime === undefined ? '<none>' : ageOf(status.lastScheduleTime, now),
  ),
  ageColumn,
  wideColumn('Containers', ({ spec }) => containerNames(spec?.jobTemplate.spec?.template)),
  wideColumn('Images', ({ spec }) => images(spec?.jobTemplate.spec?.template)),
  wideColumn('Selector', ({ spec }) => selectorText(spec?.jobTemplate.spec?.selector)),
];

function jobStatus({ metadata, status }: Job): string {
  const isTrue = (type: string): boolean =>
    status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
  if (isTrue('Complete')) return 'Complete';
  if (isTrue('Failed')) return 'Failed';
  if (metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (isTrue('Suspended')) return 'Suspended';
  if (isTrue('FailureTarget')) return 'FailureTarget';
  if (isTrue('SuccessCriteriaMet')) return 'SuccessCriteriaMet';
  return 'Running';
}
