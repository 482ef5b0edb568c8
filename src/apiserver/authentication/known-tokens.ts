import type { JWTPayload } from 'jose';

/** Enough for a pod of every service account that asks all the time; of more than these the oldest is verified again. */
const KNOWN_MAX = 1_000;

/** What a signature was found to vouch for; undefined where it is not one of ours, or the token is out of its time. */
type Verify = (token: string) => Promise<JWTPayload | undefined>;

/**
 * As `verify`, which is asked once for each token: whom a key has signed for does not change while the key is ours. Its
 * time is looked at each time; what else may end a token is for whoever asks.
 */
export function knownTokens(verify: Verify, nowSeconds: () => number): Verify {
  const known = new Map<string, JWTPayload>();
  return async (token) => {
    const payload = known.get(token) ?? (await verify(token));
    if (payload && isInTime(payload, nowSeconds())) {
      known.set(token, payload);
      const [oldest] = known.keys();
      if (known.size > KNOWN_MAX && oldest !== undefined) known.delete(oldest);
      return payload;
    }
    known.delete(token);
    return undefined;
  };
}

/** RFC 7519 §4.1.4 and §4.1.5, in the clock's own seconds. */
function isInTime({ exp = 0, nbf = 0 }: JWTPayload, nowSeconds: number): boolean {
  return nbf <= nowSeconds && nowSeconds < exp;
}
