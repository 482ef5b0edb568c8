import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { startCluster } from '#test/support/cluster.ts';
import { IngressStatusWriter } from './ingress-status.ts';

test('a status that is wanted while the one before it is on its way is written too', async () => {
  await using cluster = await startCluster({ kinds: [Ingress], clock: systemClock });
  const { client } = cluster;
  const split = { serviceNamespace: 'default', serviceName: 'a', servicePort: 80, percent: 100 };
  const made = await client.create(Ingress, {
    apiVersion: 'networking.internal.knative.dev/v1alpha1',
    kind: 'Ingress',
    metadata: { namespace: 'default', name: 'a' },
    spec: { rules: [{ hosts: ['a.example'], http: { paths: [{ splits: [split] }] } }] },
  });
  const done = Promise.withResolvers<void>();
  const written: (number | undefined)[] = [];
  using writer = new IngressStatusWriter({
    client: {
      async updateStatus(kind, object) {
        const stored = await client.updateStatus(kind, object);
        written.push(stored.metadata.generation);
        // The watch is often faster than the answer: what it brings is wanted before that is here.
        // Nothing but an Ingress is written here.
        if (written.length === 1)
          writer.want(stored as Ingress & typeof stored, { observedGeneration: 2 });
        else done.resolve();
        return stored;
      },
    },
    clock: systemClock,
    log: silentLog,
  });
  writer.want(made, { observedGeneration: 1 });
  await done.promise;
  const stored = await client.get(Ingress, { namespace: 'default', name: 'a' });
  assert.equal(stored?.status?.observedGeneration, 2);
});

test('an Ingress whose status is refused for ever keeps no other from being told', async () => {
  const written = Promise.withResolvers<void>();
  let refused = 0;
  const ingress = (name: string): Ingress => ({
    apiVersion: 'networking.internal.knative.dev/v1alpha1',
    kind: 'Ingress',
    metadata: { namespace: 'default', name },
    spec: {},
  });
  using writer = new IngressStatusWriter({
    client: {
      async updateStatus(_kind, object) {
        if (object.metadata.name !== 'refused') {
          written.resolve();
          return object;
        }
        refused += 1;
        throw new Error('a webhook says no');
      },
    },
    clock: systemClock,
    log: silentLog,
  });
  writer.want(ingress('refused'), { observedGeneration: 1 });
  writer.want(ingress('other'), { observedGeneration: 1 });
  await written.promise;
  assert.equal(refused, 1);
});

test('nothing is written of what is wanted after the end', async () => {
  let written = 0;
  const writer = new IngressStatusWriter({
    client: {
      async updateStatus(_kind, object) {
        written += 1;
        return object;
      },
    },
    clock: systemClock,
    log: silentLog,
  });
  const metadata = { namespace: 'default', name: 'a' };
  const ingress: Ingress = {
    apiVersion: 'networking.internal.knative.dev/v1alpha1',
    kind: 'Ingress',
    metadata,
    spec: {},
  };
  writer.want(ingress, { observedGeneration: 1 });
  writer[Symbol.dispose]();
  writer.want(ingress, { observedGeneration: 2 });
  assert.equal(written, 1);
});
