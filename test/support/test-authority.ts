import { makeCertificate } from '#base/x509/certificate.ts';

type KeyPair = ReturnType<typeof makeCertificate>;

const DAY_MS = 24 * 60 * 60_000;

/** An authority of the test's own, PEM, and servers that it vouches for. */
export function makeAuthority(): KeyPair & { serverFor(...names: readonly string[]): KeyPair } {
  const now = new Date();
  const authority = makeCertificate({
    subject: { commonName: 'an authority for a test' },
    use: 'authority',
    now,
    lifetimeMs: DAY_MS,
  });
  return {
    ...authority,
    serverFor: (...names) =>
      makeCertificate({
        subject: { commonName: 'a server for a test' },
        use: 'server',
        names,
        issuer: authority,
        now,
        lifetimeMs: DAY_MS,
      }),
  };
}
