/**
 * Who may import whom: a folder of src/ may import itself and the folders listed here. `job` and `never` are what
 * ARCHITECTURE.md says of it. Everything meets in processes/, one file a process, which main.ts alone imports. Read by test/tidy.test.ts.
 */
export const layers = {
  base: { imports: [] },
  acme: { imports: ['base'] },
  api: { imports: ['base'] },
  telemetry: { imports: ['base'] },
  store: { imports: ['base'] },
  apiserver: { imports: ['base', 'telemetry', 'api', 'store'] },
  client: { imports: ['base', 'api'] },
  reconcile: { imports: ['base', 'telemetry', 'api', 'client'] },
  controllers: {
    imports: ['base', 'acme', 'telemetry', 'api', 'client', 'reconcile', 'autoscaler'],
  },
  autoscaler: { imports: ['base', 'telemetry', 'api', 'client', 'reconcile'] },
  webhook: { imports: ['base', 'telemetry', 'api'] },
  gateway: { imports: ['base', 'telemetry', 'api', 'client', 'autoscaler'] },
  dns: { imports: ['base', 'api', 'client'] },
  images: { imports: ['base'] },
  agent: { imports: ['base', 'api', 'client', 'reconcile', 'images'] },
  supervisor: { imports: ['base'] },
  cli: { imports: ['base', 'api', 'client', 'images', 'supervisor'] },
  processes: {
    imports: [
      'base',
      'telemetry',
      'acme',
      'api',
      'store',
      'apiserver',
      'client',
      'reconcile',
      'controllers',
      'autoscaler',
      'webhook',
      'gateway',
      'dns',
      'images',
      'agent',
      'supervisor',
    ],
  },
} as const satisfies Record<string, { readonly imports: readonly string[] }>;
