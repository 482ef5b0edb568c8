import type { StatusOf } from '#api/kind.ts';
import { Conditions } from '#api/meta/conditions.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import type { Outcome } from '#reconcile/controller.ts';
import type { HeldCertificate } from '#controllers/serving/certificate/held-certificate.ts';
import type { Issuance } from '#controllers/serving/certificate/issuer.ts';

export interface ObservedCertificate {
  readonly now: Date;
  /** What its Secret holds. */
  readonly held: HeldCertificate | undefined;
  /** What came of asking for another; absent where nobody had to be asked. */
  readonly issuance?: Exclude<Issuance, { readonly pair: unknown }>;
}

const RENEWING = 'Renewing';

/**
 * How a Certificate stands, and when to look again. One that is good for now is Ready, whatever becomes of its renewal;
 * `Renewing` is there while that goes on, or does not (serving specification §1.7).
 */
export function certificateOutcome(
  certificate: Certificate,
  { now, held, issuance }: ObservedCertificate,
): Outcome<StatusOf<Certificate>> {
  const conditions = new Conditions({
    set: Certificate.conditions,
    previous: certificate.status?.conditions,
    now,
  });
  const isGood = held !== undefined && now < held.notAfter;
  const { reason, message } = wordsOf(issuance);
  if (isGood) conditions.markTrue('Ready');
  else if (issuance && 'refusal' in issuance) conditions.markFalse('Ready', reason, message);
  else conditions.markUnknown('Ready', reason, message);
  const isRenewing = isGood && issuance !== undefined;
  if (isRenewing) conditions.markTrue(RENEWING, reason, message);
  const { generation } = certificate.metadata;
  const waits = [
    issuance?.againAfterMs,
    isGood ? msUntil(issuance ? held.notAfter : held.renewAt, now) : undefined,
  ].filter((wait) => wait !== undefined);
  return {
    status: {
      ...(generation !== undefined && { observedGeneration: generation }),
      ...(held && { notAfter: timestamp(held.notAfter) }),
      ...(issuance && 'waiting' in issuance && issuance.challenges.length > 0
        ? { http01Challenges: [...issuance.challenges] }
        : {}),
      conditions: conditions.list().filter(({ type }) => type !== RENEWING || isRenewing),
    },
    ...(waits.length > 0 && { againAfterMs: Math.min(...waits) }),
  };
}

function wordsOf(issuance: ObservedCertificate['issuance']): {
  readonly reason?: string;
  readonly message?: string;
} {
  if (!issuance) return {};
  return 'refusal' in issuance ? issuance.refusal : issuance.waiting;
}

function msUntil(at: Date, now: Date): number {
  return at.getTime() - now.getTime();
}
