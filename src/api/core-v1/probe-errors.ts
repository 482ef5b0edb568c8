import type { Container, LifecycleHandler, Probe } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { namedPortErrors } from '#api/meta/address-errors.ts';
import { httpHeader, nameErrors } from '#api/meta/name-errors.ts';
import { negativeErrors, unsupportedErrors } from '#api/meta/value-errors.ts';

/** What is wrong with a container's probes and hooks; `graceSeconds` is how long its pod takes to stop. */
export function lifecycleErrors(
  container: Container,
  at: string,
  graceSeconds: number,
): FieldError[] {
  const { lifecycle, livenessProbe, readinessProbe, startupProbe } = container;
  const hook = (name: 'postStart' | 'preStop'): FieldError[] =>
    handlerErrors(lifecycle?.[name], `${at}.lifecycle.${name}`, graceSeconds);
  const readiness = `${at}.readinessProbe.terminationGracePeriodSeconds`;
  const stopSeconds = readinessProbe?.terminationGracePeriodSeconds;
  return [
    ...hook('postStart'),
    ...hook('preStop'),
    ...probeErrors(livenessProbe, `${at}.livenessProbe`),
    ...onceErrors(livenessProbe, `${at}.livenessProbe`),
    ...probeErrors(readinessProbe, `${at}.readinessProbe`),
    ...(stopSeconds === undefined
      ? []
      : [wrongValue(readiness, stopSeconds, 'must not be set for readinessProbes')]),
    ...probeErrors(startupProbe, `${at}.startupProbe`),
    ...onceErrors(startupProbe, `${at}.startupProbe`),
  ];
}

/** A program that once answered lives, and has started. */
function onceErrors(probe: Probe | undefined, at: string): FieldError[] {
  const { successThreshold = 1 } = probe ?? {};
  if (successThreshold === 1) return [];
  return [wrongValue(`${at}.successThreshold`, successThreshold, 'must be 1')];
}

function probeErrors(probe: Probe | undefined, at: string): FieldError[] {
  if (!probe) return [];
  const stopSeconds = probe.terminationGracePeriodSeconds ?? 1;
  const counts = [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const;
  return [
    ...handlerErrors(probe, at, Infinity),
    ...counts.flatMap((field) => negativeErrors(`${at}.${field}`, probe[field])),
    ...(stopSeconds > 0
      ? []
      : [wrongValue(`${at}.terminationGracePeriodSeconds`, stopSeconds, 'must be greater than 0')]),
  ];
}

type Handler = Partial<Pick<Probe, 'grpc'>> & LifecycleHandler;

/** Exactly one way of asking or telling. */
function handlerErrors(
  handler: Handler | undefined,
  at: string,
  graceSeconds: number,
): FieldError[] {
  if (!handler) return [];
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  const found: (readonly [string, FieldError[]])[] = [];
  if (exec) found.push(['exec', exec.command?.length ? [] : [required(`${at}.exec.command`)]]);
  if (httpGet) found.push(['httpGet', httpErrors(httpGet, `${at}.httpGet`)]);
  if (tcpSocket) found.push(['tcpSocket', namedPortErrors(`${at}.tcpSocket.port`, tcpSocket.port)]);
  if (grpc) found.push(['grpc', namedPortErrors(`${at}.grpc.port`, grpc.port)]);
  if (sleep) found.push(['sleep', sleepErrors(sleep.seconds, `${at}.sleep`, graceSeconds)]);
  if (found.length === 0) return [required(at, 'must specify a handler type')];
  return found.flatMap(([name, errors], index) =>
    index === 0
      ? errors
      : [forbiddenField(`${at}.${name}`, 'may not specify more than 1 handler type')],
  );
}

function httpErrors(action: NonNullable<Probe['httpGet']>, at: string): FieldError[] {
  return [
    ...(action.path ? [] : [required(`${at}.path`)]),
    ...namedPortErrors(`${at}.port`, action.port),
    ...unsupportedErrors(`${at}.scheme`, action.scheme, ['HTTP', 'HTTPS']),
    ...(action.httpHeaders ?? []).flatMap(({ name }) =>
      nameErrors(httpHeader, `${at}.httpHeaders`, name),
    ),
  ];
}

function sleepErrors(seconds: number, path: string, graceSeconds: number): FieldError[] {
  if (seconds >= 0 && seconds <= graceSeconds) return [];
  const why = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
  return [wrongValue(path, seconds, why)];
}
