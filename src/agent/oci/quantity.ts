/** Kubernetes' suffixes (resource.Quantity): decimal, binary, and thousandths and below. */
const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** `100m` is 0.1, `1Ki` is 1024, `1e3` is 1000. Throws where the text is no quantity. */
export function parseQuantity(value: string | number): number {
  if (typeof value === 'number') return value;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?$/.exec(value);
  const factor = SUFFIXES[match?.[2] ?? ''];
  if (!match || factor === undefined)
    throw new Error(
      `Cannot read the quantity "${value}": wanted a number with a suffix like m, Mi or G`,
    );
  return Number(match[1]) * factor;
}
