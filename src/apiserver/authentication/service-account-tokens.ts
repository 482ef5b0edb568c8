import { SignJWT } from 'jose/jwt/sign';
import type { JWTPayload } from 'jose';
import { jwtVerify } from 'jose/jwt/verify';
import { JOSEError, JWSSignatureVerificationFailed } from 'jose/errors';
import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { knownTokens } from '#apiserver/authentication/known-tokens.ts';
import type { TokenKey, TokenKeys } from '#apiserver/authentication/token-key.ts';
import type { User } from '#apiserver/user.ts';

/** Longer than any token we sign; what is longer is refused unread. */
const TOKEN_CHARACTERS_MAX = 16 * 1024;

/** An object a token's life is tied to: the token dies with it. `namespace` is the token's, also for a Node. */
interface BoundObject {
  readonly kind: 'ServiceAccount' | BoundKind;
  readonly namespace: string;
  readonly name: string;
}
export type BoundKind = 'Pod' | 'Secret' | 'Node';

interface BoundFacts {
  readonly uid: string;
  /** Of a Pod. */
  readonly serviceAccountName?: string;
  readonly nodeName?: string;
}
/** What the object is now; undefined where there is none, or its end is more than a minute past. */
export type BoundLookup = (object: BoundObject) => Promise<BoundFacts | undefined>;

export interface TokenOptions {
  /** The first signs; tokens of all of them are ours. */
  readonly keys: TokenKeys;
  /** The `iss` of our tokens: `https://kubernetes.default.svc.cluster.local`. */
  readonly issuer: string;
  /** What a token must be for, to be let in here; tokens without a wish are issued for the first of these. */
  readonly audiences: readonly [string, ...string[]];
  readonly lookup: BoundLookup;
  readonly clock: Clock;
  readonly random: Random;
}

export interface TokenWish {
  readonly namespace: string;
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  readonly audiences: readonly string[];
  readonly lifetimeSeconds: number;
  /** Where a token lives longer than was asked, after how long its use is worth a word to its owner. */
  readonly warnAfterSeconds?: number;
  readonly boundTo?: Named & { readonly kind: BoundKind };
  /** The node of the pod it is bound to: for information, it does not die with that. */
  readonly node?: Named;
}

interface Authenticated {
  readonly user: User;
  /** Those of the token that were asked for. */
  readonly audiences: readonly string[];
}

/** Issues and verifies the tokens by which programs in pods say which service account they are. */
export interface ServiceAccountTokens {
  issue(wish: TokenWish): Promise<{ readonly token: string; readonly expires: Date }>;
  /**
   * Undefined where the token is not one of ours, is out of its time, is for none of `audiences` (ours where absent),
   * or one of the objects it is bound to is gone, even if another has its name now.
   */
  verify(token: string, audiences?: readonly string[]): Promise<Authenticated | undefined>;
}

export function serviceAccountTokens(options: TokenOptions): ServiceAccountTokens {
  const { clock } = options;
  const signedPayload = knownTokens(
    async (token) => await verifySignature(token, options),
    () => Math.floor(clock.now().getTime() / 1000),
  );
  return {
    issue: (wish) => issue(wish, options),
    verify: async (token, audiences = options.audiences) => {
      if (token.length > TOKEN_CHARACTERS_MAX) return undefined;
      const payload = await signedPayload(token);
      const intended = [payload?.aud ?? []].flat().filter((each) => audiences.includes(each));
      if (!payload || intended.length === 0) return undefined;
      const claims = parseClaims(payload);
      if (!claims || !(await isBoundAlive(claims, options.lookup))) return undefined;
      return { user: userOf(claims), audiences: intended };
    },
  };
}

async function issue(
  wish: TokenWish,
  { keys: [key], issuer, clock, random }: TokenOptions,
): ReturnType<ServiceAccountTokens['issue']> {
  const now = Math.floor(clock.now().getTime() / 1000);
  const expires = now + wish.lifetimeSeconds;
  const { namespace, serviceAccount, boundTo, node, warnAfterSeconds } = wish;
  const claims = {
    namespace,
    serviceaccount: { name: serviceAccount.name, uid: serviceAccount.uid },
    ...(boundTo && { [boundTo.kind.toLowerCase()]: { name: boundTo.name, uid: boundTo.uid } }),
    ...(node && { node }),
    ...(warnAfterSeconds !== undefined && { warnafter: now + warnAfterSeconds }),
  };
  const token = await new SignJWT({ 'kubernetes.io': claims })
    .setProtectedHeader({ alg: 'ES256', kid: key.id })
    .setIssuer(issuer)
    .setSubject(`system:serviceaccount:${namespace}:${serviceAccount.name}`)
    .setAudience([...wish.audiences])
    .setJti(random.uuid())
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(expires)
    .sign(key.privateKey);
  return { token, expires: new Date(expires * 1000) };
}

async function verifySignature(
  token: string,
  { keys, issuer, clock }: TokenOptions,
): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(token, ({ kid }) => keyNamed(keys, kid), {
      issuer,
      algorithms: ['ES256'],
      currentDate: clock.now(),
      requiredClaims: ['exp', 'sub', 'aud'],
    });
    return payload;
  } catch (error) {
    // Every way a token can be wrong; anything else is a bug and rises.
    if (error instanceof JOSEError) return undefined;
    throw error;
  }
}

/** By the name in the token's header; a token that names none was signed by the first. */
function keyNamed(keys: TokenKeys, id: string | undefined): TokenKey['publicKey'] {
  const key = id === undefined ? keys[0] : keys.find((each) => each.id === id);
  if (!key) throw new JWSSignatureVerificationFailed();
  return key.publicKey;
}

interface Claims {
  readonly namespace: string;
  readonly account: Named;
  readonly bound?: Named & { readonly kind: BoundKind };
  /** Bound to, or that of the pod. */
  readonly node?: Named;
  readonly id: string | undefined;
}
interface Named {
  readonly name: string;
  readonly uid: string;
}

function parseClaims(payload: JWTPayload): Claims | undefined {
  const own = payload['kubernetes.io'];
  if (!isRecord(own) || typeof own['namespace'] !== 'string') return undefined;
  const { namespace } = own;
  const account = parseNamed(own['serviceaccount']);
  if (!account || payload.sub !== `system:serviceaccount:${namespace}:${account.name}`) {
    return undefined;
  }
  const pod = parseNamed(own['pod']);
  const secret = parseNamed(own['secret']);
  const node = parseNamed(own['node']);
  return {
    namespace,
    account,
    ...(node && { node, bound: { kind: 'Node', ...node } }),
    ...(secret && { bound: { kind: 'Secret', ...secret } }),
    ...(pod && { bound: { kind: 'Pod', ...pod } }),
    id: payload.jti,
  };
}

function parseNamed(value: unknown): Named | undefined {
  if (!isRecord(value)) return undefined;
  const { name, uid } = value;
  return typeof name === 'string' && typeof uid === 'string' ? { name, uid } : undefined;
}

async function isBoundAlive(claims: Claims, lookup: BoundLookup): Promise<boolean> {
  const { namespace, account, bound } = claims;
  const owner = await lookup({ kind: 'ServiceAccount', namespace, name: account.name });
  if (owner?.uid !== account.uid) return false;
  if (!bound) return true;
  return (await lookup({ kind: bound.kind, namespace, name: bound.name }))?.uid === bound.uid;
}

function userOf({ namespace, account, bound, node, id }: Claims): User {
  const pod = bound?.kind === 'Pod' ? bound : undefined;
  return {
    ...serviceAccountUser(namespace, account.name),
    uid: account.uid,
    extra: {
      ...(id !== undefined && { 'authentication.kubernetes.io/credential-id': [`JTI=${id}`] }),
      ...(pod && {
        'authentication.kubernetes.io/pod-name': [pod.name],
        'authentication.kubernetes.io/pod-uid': [pod.uid],
      }),
      ...(node && {
        'authentication.kubernetes.io/node-name': [node.name],
        'authentication.kubernetes.io/node-uid': [node.uid],
      }),
    },
  };
}

/** Who a service account is, without its uid: the groups every service account has by its namespace. */
export function serviceAccountUser(namespace: string, name: string): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    groups: [
      'system:serviceaccounts',
      `system:serviceaccounts:${namespace}`,
      'system:authenticated',
    ],
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
