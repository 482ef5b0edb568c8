import { readLiveRecord } from '#supervisor/process-record.ts';
import { pathsOf, type Settings } from '#supervisor/settings.ts';
import type { Invocation } from './invocation.ts';
import { UserError } from './terminal.ts';

/** What the platform of this home was started as. Throws UserError when it does not run. */
export function runningSettings({ home }: Invocation): Settings {
  const record = readLiveRecord(pathsOf(home).processRecord('control'));
  // Written by the supervisor of the same program.
  if (record) return JSON.parse(record.settings) as Settings;
  throw new UserError(`knode is not running with the state in ${home}: run 'knode up' first`);
}
