/** Codes of the OCI distribution specification ("Error Codes"), with the status each is sent with. */
const STATUS = {
  UNAUTHORIZED: 401,
  DENIED: 403,
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 413,
  RANGE_INVALID: 416,
  TOOMANYREQUESTS: 429,
  UNSUPPORTED: 405,
  UNKNOWN: 500,
} as const satisfies Record<string, number>;

export type RegistryErrorCode = keyof typeof STATUS;

/** A request that the registry refuses; rendered once, as the specification's error body. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: RegistryErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: RegistryErrorCode,
    message: string,
    { status, headers, cause }: RegistryErrorOptions = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.status = status ?? STATUS[code];
    this.headers = headers ?? {};
  }

  toBody(): string {
    return `${JSON.stringify({ errors: [{ code: this.code, message: this.message }] })}\n`;
  }
}

interface RegistryErrorOptions {
  /** Where it differs from the code's usual one. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}
