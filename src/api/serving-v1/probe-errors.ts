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
/** As upstream writes them where there are several. */
const SPELLINGS = { httpGet: 'httpGet', tcpSocket: 'tcpSocket', exec: 'exec', grpc: 'gRPC' };
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const INT32_MAX = 2 ** 31 - 1;

/** What is wrong with the probes of the container that requests go to. */
export function servingProbeErrors(container: RevisionContainer, at: string): FieldError[] {
  const name = container.ports?.[0]?.name || 'http';
  return PROBES.flatMap((kind) => {
    const probe = container[kind];
    if (!probe) return [];
    const path = `${at}.${kind}`;
    return [
      ...probeErrors(probe, path),
      ...(kind === 'readinessProbe' ? timingErrors(probe, path) : []),
      ...portErrors(probe, path, (given) =>
        typeof given === 'string' && given !== '' && given !== name
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
    if (how === 'not probed') return notAllowed(probe, path);
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
function notAllowed(probe: RevisionProbe, at: string): FieldError[] {
  const isHandler = (name: string): boolean => HANDLERS.some((handler) => handler === name);
  const names = Object.entries(probe).filter(([, value]) => isSet(value));
  const fields = names.filter(([name]) => !isHandler(name)).map(([name]) => `${at}.${name}`);
  const self = names.some(([name]) => isHandler(name)) ? [at] : [];
  return names.length === 0 ? [] : [disallowed(...self, ...fields)];
}

function probeErrors(probe: RevisionProbe, at: string): FieldError[] {
  const found = HANDLERS.filter((handler) => probe[handler] !== undefined);
  return [
    ...oneOfErrors(
      found.map((handler) => SPELLINGS[handler]),
      { all: HANDLERS, at },
    ),
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
