/** As Kubernetes reads its options: whatever is there and is neither `0` nor `false`; a bare name too. */
export function isTrue(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && !/^(0|false)$/i.test(text);
}
