/**
 * An amount of a resource as Kubernetes counts it: exact, in billionths, with the notation its author chose. Sums of what
 * people wrote must not drift, so these are no floating point numbers.
 */
export interface Quantity {
  readonly nano: bigint;
  /** Whether it is written with Ki, Mi, Gi… */
  readonly isBinary: boolean;
}

const NANO = 1_000_000_000n;
const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const;
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;
const PATTERN =
  /^(?<sign>[+-]?)(?:(?<whole>\d+)(?:\.(?<part>\d*))?|\.(?<only>\d+))(?:(?<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?<exponent>[+-]?\d{1,2}))?$/;

/** The words Kubernetes has for what is none. */
const QUANTITY_TEXT =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** `100m`, `1.5Gi`, `1e3`. What is finer than a billionth is rounded up. Throws RangeError where the text is none. */
export function parseQuantity(value: string | number): Quantity {
  const groups = PATTERN.exec(String(value))?.groups;
  if (!groups) throw new RangeError(QUANTITY_TEXT);
  const { sign, whole = '0', part = '', only = '', suffix = '', exponent = '0' } = groups;
  const fraction = only || part;
  const digits = BigInt(whole + fraction);
  const isBinary = suffix.endsWith('i');
  const factor = isBinary
    ? 1024n ** BigInt(BINARY.indexOf(suffix as (typeof BINARY)[number])) * NANO
    : powerOfTen(9 + 3 * decimalStep(suffix) + Number(exponent));
  const divisor = 10n ** BigInt(fraction.length) * (factor < 0n ? -factor : 1n);
  const scaled = digits * (factor < 0n ? 1n : factor);
  const nano = (scaled + divisor - 1n) / divisor;
  return { nano: sign === '-' ? -nano : nano, isBinary };
}

export function isQuantity(value: string | number): boolean {
  return PATTERN.test(String(value));
}

export function addQuantities(a: Quantity, b: Quantity): Quantity {
  // A sum takes the notation of what it is added to; nothing has none.
  return { nano: a.nano + b.nano, isBinary: a.nano === 0n ? b.isBinary : a.isBinary };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return addQuantities(a, { ...b, nano: -b.nano });
}

/** For measuring and dividing, where exactness does not matter. */
export function numberOf(quantity: Quantity): number {
  // In two parts, so that whole numbers stay what they are: a limit of bytes is rounded down later.
  return Number(quantity.nano / NANO) + Number(quantity.nano % NANO) / Number(NANO);
}

/** What a text stands for: 0.1 of `100m`, 1024 of `1Ki`. Throws RangeError where it is no quantity. */
export function amountOf(value: string | number): number {
  return numberOf(parseQuantity(value));
}

/** The canonical text: the largest suffix that leaves a whole number. */
export function renderQuantity({ nano, isBinary }: Quantity): string {
  if (nano === 0n) return '0';
  // As Kubernetes: what is small, or no whole number, is told in decimal.
  const isSmall = nano < 1024n * NANO && nano > -1024n * NANO;
  if (isBinary && !isSmall && nano % NANO === 0n) return binaryText(nano / NANO);
  let [amount, step] = [nano, 0];
  while (step < DECIMAL.length - 1 && amount % 1000n === 0n) {
    amount /= 1000n;
    step += 1;
  }
  return `${amount}${DECIMAL[step]}`;
}

function binaryText(whole: bigint): string {
  let [amount, step] = [whole, 0];
  while (step < BINARY.length - 1 && amount % 1024n === 0n) {
    amount /= 1024n;
    step += 1;
  }
  return `${amount}${BINARY[step]}`;
}

function decimalStep(suffix: string): number {
  return DECIMAL.indexOf(suffix as (typeof DECIMAL)[number]) - DECIMAL.indexOf('');
}

/** A negative one stands for a divisor: what `1e-12` is divided by. */
function powerOfTen(power: number): bigint {
  return power >= 0 ? 10n ** BigInt(power) : -(10n ** BigInt(-power));
}
