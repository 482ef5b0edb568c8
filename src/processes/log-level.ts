import type { LogLevel } from '#base/log.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import type { LiveSettings } from '#client/live-settings.ts';
import type { PartContext } from './run-part.ts';

type Component = 'controller' | 'activator' | 'webhook';
type ZapLevel = ServingSettings['logging'][Component];

/** Nothing of ours is worse than an error. */
const LEVELS: Readonly<Record<ZapLevel, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  error: 'error',
  dpanic: 'none',
  panic: 'none',
  fatal: 'none',
};

/** Logs what `loglevel.COMPONENT` of config-logging says, now and whenever it says something else. */
export function followLogLevel(
  { setLogLevel, signal }: Pick<PartContext, 'setLogLevel' | 'signal'>,
  { live, component }: { readonly live: LiveSettings; readonly component: Component },
): void {
  const follow = (): void => setLogLevel(LEVELS[live.current().logging[component]]);
  live.onChange(follow, signal);
  follow();
}
