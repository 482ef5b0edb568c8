import { makeCertificate } from '#base/x509/certificate.ts';
import type { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import type { Context } from '#reconcile/controller.ts';
import {
  fingerprintOf,
  openAuthority,
} from '#controllers/serving/certificate/built-in-authority.ts';
import type { Issuer } from '#controllers/serving/certificate/issuer.ts';

const LIFETIME_MS = 90 * 24 * 60 * 60 * 1000;
/** RFC 5280, appendix A.1: ub-common-name. */
const COMMON_NAME_LENGTH_MAX = 64;

/** Signs at once, whatever the names are. Throws NoAuthority. */
export async function builtInIssuer(context: Context): Promise<Issuer> {
  const authority = await openAuthority(context);
  return {
    id: `built-in/${fingerprintOf(authority).slice(0, 16)}`,
    async issue({ spec }: Certificate, { clock }) {
      const { dnsNames = [], domain = '' } = spec;
      const fitting = [...dnsNames, `k.${domain}`, 'knode'];
      const commonName = fitting.find((name) => name.length <= COMMON_NAME_LENGTH_MAX) ?? '';
      const pair = makeCertificate({
        subject: { commonName },
        use: 'server',
        names: dnsNames,
        now: clock.now(),
        lifetimeMs: LIFETIME_MS,
        issuer: authority,
      });
      return { pair, authority: authority.certificate };
    },
  };
}
