/** `spec` + `containers` → `spec.containers`; at the root the field alone. */
export function fieldPath(parent: string, field: string): string {
  return parent === '' ? field : `${parent}.${field}`;
}

/** A map's entry or a list's element: `metadata.labels[app]`, `spec.ports[0]`. */
export function elementPath(parent: string, key: string | number): string {
  return `${parent}[${key}]`;
}

/** How Kubernetes quotes a value in a message. */
export function quoted(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? 'null');
}
