/**
 * Who may import whom: a folder of src/ may import itself and the folders listed here. `job` and `never` are what
 * ARCHITECTURE.md says of it. main.ts and cli/ are where everything meets. Read by test/tidy.test.ts.
 */
export const layers = {
  base: { imports: [] },
  api: { imports: ['base'] },
  store: { imports: ['base'] },
  apiserver: { imports: ['base', 'api', 'store'] },
  client: { imports: ['base', 'api'] },
  reconcile: { imports: ['base', 'api', 'client'] },
  controllers: { imports: ['base', 'api', 'client', 'reconcile', 'autoscaler'] },
  autoscaler: { imports: ['base', 'api', 'client', 'reconcile'] },
  gateway: { imports: ['base', 'api', 'client', 'autoscaler'] },
  dns: { imports: ['base', 'api', 'client'] },
  images: { imports: ['base'] },
  agent: { imports: ['base', 'api', 'client', 'reconcile', 'images'] },
  cli: { imports: ['base', 'api', 'client', 'images'] },
} as const satisfies Record<string, { readonly imports: readonly string[] }>;
