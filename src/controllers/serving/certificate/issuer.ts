import type { KeyPair } from '#base/x509/certificate.ts';
import type { Certificate, Http01Challenge } from '#api/networking-v1alpha1/certificate.ts';
import type { Context } from '#reconcile/controller.ts';

/** What came of asking for a certificate. */
export type Issuance =
  /** The leaf first, then what it is signed by; `authority` where clients do not trust that by themselves. */
  | { readonly pair: KeyPair; readonly authority?: string }
  /** Asked for; `againAfterMs` from now it may be there. */
  | {
      readonly waiting: { readonly reason: string; readonly message: string };
      readonly challenges: readonly Http01Challenge[];
      readonly againAfterMs: number;
    }
  /** Not to be had; absent `againAfterMs` not before somebody changes something. */
  | {
      readonly refusal: { readonly reason: string; readonly message: string };
      readonly againAfterMs?: number;
    };

/** Somebody who gives certificates. */
export interface Issuer {
  /** Who it is; certificates of another one are replaced by its own. */
  readonly id: string;
  /** Goes on where it was with the Certificate, if it was. Called again until there is a pair or a refusal. */
  issue(certificate: Certificate, context: Context): Promise<Issuance>;
}
