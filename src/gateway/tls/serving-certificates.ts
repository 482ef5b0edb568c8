import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { Secret } from '#api/core-v1/secret.ts';
import { Informer, type InformerOptions } from '#client/informer.ts';
import { tlsLimits } from './tls-handshakes.ts';

/** The only Secrets that the gateway asks for, and in the embedded cluster the only ones that it is given. */
const SELECTION = { fieldSelector: 'type=kubernetes.io/tls' };

export interface SecretRef {
  readonly namespace: string;
  readonly name: string;
}

/** Why the hosts of a Secret are not served over TLS; in words for the status of an Ingress. */
export interface CertificateProblem {
  readonly reason: 'SecretsUnknown' | 'SecretMissing' | 'SecretInvalid';
  readonly message: string;
}

/** Of one version of a Secret. */
interface Certificate {
  problem: CertificateProblem | undefined;
  context: SecureContext | undefined;
}

export interface ServingCertificatesOptions extends Omit<InformerOptions, 'selection'> {
  /** What the methods answer may have changed. */
  readonly onChange: () => void;
}

/**
 * The certificates in Secrets, as they are now: connections made secure with an older version of one go on. Secrets are
 * read once somebody needs one, and not before. Neither keys nor certificates are ever told to a log or a status.
 */
export class ServingCertificates implements AsyncDisposable {
  readonly #options: ServingCertificatesOptions;
  readonly #certificates = new WeakMap<Secret, Certificate>();
  #informer: Informer<Secret> | undefined;

  constructor(options: ServingCertificatesOptions) {
    this.#options = options;
  }

  /** Whether somebody needed one. */
  get isFollowed(): boolean {
    return this.#informer !== undefined;
  }

  /** Begins to read Secrets where that has not begun. */
  follow(): Informer<Secret> {
    if (this.#informer) return this.#informer;
    const { onChange, ...options } = this.#options;
    const informer = new Informer(Secret, { ...options, selection: SELECTION });
    this.#informer = informer;
    informer.onChange(onChange);
    // The first list may be empty, which is no change and yet news.
    void informer.synced().then(onChange, () => undefined);
    return informer;
  }

  /** Undefined where the certificate can be shown to clients. */
  problemOf(ref: SecretRef): CertificateProblem | undefined {
    const informer = this.follow();
    const name = `Secret ${ref.namespace}/${ref.name}`;
    const secret = informer.get(ref);
    if (secret) return this.#certificateOf(secret).problem;
    if (!informer.isSynced) {
      const message = `${name}: the Secrets of type kubernetes.io/tls have not been read yet`;
      return { reason: 'SecretsUnknown', message };
    }
    const message = `${name} does not exist, or is not of type kubernetes.io/tls`;
    return { reason: 'SecretMissing', message };
  }

  /** Made when the first client asks for it, then kept for as long as the version of the Secret. */
  contextOf(ref: SecretRef): SecureContext | undefined {
    const secret = this.#informer?.get(ref);
    const certificate = secret && this.#certificateOf(secret);
    if (!secret || !certificate || certificate.problem) return undefined;
    certificate.context ??= parsed(() => createSecureContext({ ...pairOf(secret), ...tlsLimits }));
    if (certificate.context) return certificate.context;
    // What the two were looked at for was well; the library has more to ask of them, and of the rest of a chain.
    certificate.problem = invalid(secret, 'tls.crt and tls.key cannot be used for TLS');
    this.#options.onChange();
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#informer?.[Symbol.asyncDispose]();
  }

  #certificateOf(secret: Secret): Certificate {
    const known = this.#certificates.get(secret);
    if (known) return known;
    const certificate = { problem: problemIn(secret), context: undefined };
    this.#certificates.set(secret, certificate);
    return certificate;
  }
}

function pairOf({ data = {} }: Secret): { cert: Buffer; key: Buffer } {
  return {
    cert: Buffer.from(data['tls.crt'] ?? '', 'base64'),
    key: Buffer.from(data['tls.key'] ?? '', 'base64'),
  };
}

function invalid({ metadata }: Secret, message: string): CertificateProblem {
  const { namespace = '', name = '' } = metadata;
  return { reason: 'SecretInvalid', message: `Secret ${namespace}/${name}: ${message}` };
}

/** Much cheaper than a secure context, of which there is to be none before it is needed. */
function problemIn(secret: Secret): CertificateProblem | undefined {
  const wrong = (message: string): CertificateProblem => invalid(secret, message);
  const { cert, key } = pairOf(secret);
  const certificate = parsed(() => new X509Certificate(cert));
  if (!certificate) return wrong('tls.crt holds no certificate in PEM');
  const privateKey = parsed(() => createPrivateKey(key));
  if (!privateKey) return wrong('tls.key holds no private key in PEM without a passphrase');
  if (certificate.checkPrivateKey(privateKey)) return undefined;
  return wrong('tls.key is not the key of the certificate in tls.crt');
}

/** What goes wrong is not told on: the words of the library might quote what is secret. */
function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
