import type { Clock } from '#base/clock.ts';
import type { HttpReply } from '#base/http-message.ts';
import type { Kind } from '#api/kind.ts';
import {
  type Attributes,
  type Counter,
  type Histogram,
  type Metrics,
  SECONDS_BOUNDS,
} from '#telemetry/metrics.ts';

const SCOPE = 'k8s.io/apiserver';
const TOTAL = {
  name: 'apiserver_request_total',
  unit: '{request}',
  description: 'Requests to the API, by what was asked and answered',
  scope: SCOPE,
};
const DURATION = {
  name: 'apiserver_request_duration',
  unit: 's',
  description: 'How long requests to the API took until they were answered, streams left out',
  scope: SCOPE,
  bounds: SECONDS_BOUNDS,
};

/** A request as far as it is known yet; filled in by whoever answers it. */
export interface MeteredRequest {
  readonly startMs: number;
  /** Absent where it was for no kind. */
  resource?: { readonly kind: Kind; readonly subresource: string | undefined } | undefined;
  verb?: string;
}

interface Series {
  readonly total: Counter;
  readonly duration: Histogram;
}

const VERBS = 'get list watch create update patch delete deletecollection head post put'.split(' ');
const SUBRESOURCES = [
  '',
  ...'status scale log exec attach portforward eviction binding token finalize'.split(' '),
  'ephemeralcontainers',
];
/** Custom kinds come and go as their definitions do: they are told together. */
const CUSTOM = { group: 'custom', version: '', resource: 'custom' };
const NO_KIND = { group: '', version: '', resource: '' };

/** Counts and times what is asked of the API, under kube-apiserver's names. What was asked before costs no memory. */
export class RequestMeter {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  /** By kind, then by verb, subresource and code. */
  readonly #series = new Map<Kind | 'custom' | 'none', Map<number, Series>>();

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  begin(): MeteredRequest {
    return { startMs: this.#clock.monotonicMs() };
  }

  end(request: MeteredRequest, { status, body }: HttpReply): void {
    const { total, duration } = this.#seriesOf(request, status);
    total.add();
    const isStream = typeof body !== 'string' && !(body instanceof Uint8Array);
    if (!isStream) duration.record((this.#clock.monotonicMs() - request.startMs) / 1_000);
  }

  #seriesOf({ resource, verb = '' }: MeteredRequest, code: number): Series {
    const { kind, subresource = '' } = resource ?? {};
    const about = kind?.custom ? 'custom' : (kind ?? 'none');
    const known = this.#series.get(about) ?? new Map<number, Series>();
    this.#series.set(about, known);
    const [verbAt, subresourceAt] = [VERBS.indexOf(verb), SUBRESOURCES.indexOf(subresource)];
    const key = ((verbAt + 1) * 16 + subresourceAt + 1) * 1_000 + code;
    const found = known.get(key);
    if (found) return found;
    const made = this.#made({
      verb: (VERBS[verbAt] ?? 'other').toUpperCase(),
      ...namesOf(about),
      subresource: SUBRESOURCES[subresourceAt] ?? 'other',
      code,
    });
    known.set(key, made);
    return made;
  }

  #made(attributes: Attributes): Series {
    const { code: _, ...withoutCode } = attributes;
    return {
      total: this.#metrics.counter(TOTAL).of(attributes),
      duration: this.#metrics.histogram(DURATION).of(withoutCode),
    };
  }
}

function namesOf(about: Kind | 'custom' | 'none'): typeof NO_KIND {
  if (about === 'none') return NO_KIND;
  if (about === 'custom') return CUSTOM;
  return { group: about.group, version: about.version, resource: about.plural };
}
