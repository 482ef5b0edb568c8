import type { FieldError } from '#api/kind.ts';
import {
  disallowed,
  disallowedFields,
  invalidValue,
  isSet,
  oneOfErrors,
  outOfBounds,
} from '#api/meta/knative-error.ts';
import type { RevisionContainer, RevisionProbe } from '#api/serving-v1/revision-template.ts';

const HANDLERS = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const;
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const INT32_MAX = 2 ** 31 - 1;

/** What is wrong with the probes of the container that requests go to. */
export function servingProbeErrors(container: RevisionContainer, at: string): FieldError[] {
  const port = container.ports?.[0];
  const names = [port?.name || 'http', String(port?.containerPort || 8080)];
  return PROBES.flatMap((name) => {
    const probe = container[name];
    if (!probe) return [];
    const path = `${at}.${name}`;
    return [
      ...probeErrors(probe, path),
      ...(name === 'readinessProbe' ? timingErrors(probe, path) : []),
      ...portErrors(probe, path, (given) =>
        typeof given === 'string' && !names.includes(given)
          ? 'Probe port must match container port'
          : undefined,
      ),
    ];
  });
}

/** What is wrong with those of others, which have none unless they are probed. */
export function sidecarProbeErrors(
  container: RevisionContainer,
  at: string,
  how: 'probed' | 'not probed',
): FieldError[] {
  return PROBES.flatMap((name) => {
    const probe = container[name];
    if (!probe) return [];
    const path = `${at}.${name}`;
    if (how === 'not probed') return [notAllowed(probe, path)];
    return [
      ...probeErrors(probe, path),
      ...(name === 'readinessProbe' ? timingErrors(probe, path) : []),
      ...portErrors(probe, path, (given) =>
        isSet(given) ? undefined : 'Probe port must be specified',
      ),
    ];
  });
}

/** The handler is told by the probe itself, as upstream has it. */
function notAllowed(probe: RevisionProbe, at: string): FieldError {
  const isHandler = (name: string): boolean => HANDLERS.some((handler) => handler === name);
  const names = Object.entries(probe).filter(([, value]) => isSet(value));
  const fields = names.filter(([name]) => !isHandler(name)).map(([name]) => `${at}.${name}`);
  const self = names.some(([name]) => isHandler(name)) || fields.length === 0 ? [at] : [];
  return disallowed(...self, ...fields);
}

function probeErrors(probe: RevisionProbe, at: string): FieldError[] {
  const found = HANDLERS.filter((handler) => probe[handler] !== undefined);
  return [
    ...oneOfErrors(found, { all: HANDLERS, at }),
    ...disallowedFields(probe.exec, ['command'], `${at}.exec`),
  ];
}

function timingErrors(probe: RevisionProbe, at: string): FieldError[] {
  const { periodSeconds = 0 } = probe;
  const atLeast = (name: TimedField, low: number): FieldError[] => {
    const value = probe[name] ?? 0;
    return value >= low ? [] : [outOfBounds(value, { low, high: INT32_MAX }, `${at}.${name}`)];
  };
  const timings = ['failureThreshold', 'timeoutSeconds'] as const;
  return [
    ...atLeast('periodSeconds', 0),
    ...atLeast('initialDelaySeconds', 0),
    ...atLeast('successThreshold', 1),
    ...timings.flatMap((name) => {
      // Asked as often as it helps, a probe has neither.
      if (periodSeconds !== 0) return atLeast(name, 1);
      if (!probe[name]) return [];
      return [
        { path: `${at}.${name}`, message: `${name} is disallowed when periodSeconds is zero` },
      ];
    }),
  ];
}

type TimedField =
  | 'periodSeconds'
  | 'initialDelaySeconds'
  | 'successThreshold'
  | 'failureThreshold'
  | 'timeoutSeconds';

function portErrors(
  probe: RevisionProbe,
  at: string,
  why: (given: number | string | undefined) => string | undefined,
): FieldError[] {
  return (['httpGet', 'tcpSocket'] as const).flatMap((handler) => {
    const action = probe[handler];
    const details = action && why(action.port);
    return details ? [invalidValue(action.port ?? 0, `${at}.${handler}.port`, details)] : [];
  });
}
