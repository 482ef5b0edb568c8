import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at } from '#test/support/wire.ts';

interface Slice {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences: readonly { readonly kind: string; readonly name: string }[];
  };
  readonly addressType: string;
  readonly endpoints: readonly { readonly addresses: readonly string[] }[] | null;
  readonly ports: readonly object[] | null;
}

async function withSlices() {
  const cluster = await clusterUnderTest();
  const namespace = await cluster.namespace();
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const { send, watch } = cluster;
  return {
    send,
    core: `/api/v1/namespaces/${namespace}`,
    /** The slices of a Service when there are as wanted; the test's own timeout ends a wait in vain. */
    slicesOf: async (
      name: string,
      isWanted: (slices: readonly Slice[]) => boolean,
    ): Promise<Slice[]> => {
      const selector = `labelSelector=kubernetes.io/service-name%3D${name}`;
      const now = async (): Promise<Slice[]> => {
        const items = at((await send('GET', `${slices}?${selector}`)).body, 'items') as Slice[];
        return items.toSorted((a, b) => a.addressType.localeCompare(b.addressType));
      };
      // What changed before the watch began is told by it too.
      for await (const _ of watch(`${slices}?watch=1&${selector}`)) {
        const found = await now();
        if (isWanted(found)) return found;
      }
      assert.fail('the watch ended before the slices were as wanted');
    },
  };
}

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };

test('endpoints: what is written by hand is mirrored into slices, one for each family', async () => {
  const { send, core, slicesOf } = await withSlices();
  const service = { metadata: { name: 'ext' }, spec: { ports: [{ port: 80, name: 'http' }] } };
  assert.equal((await send('POST', `${core}/services`, service)).status, 201);
  const ports = [{ port: 8080, name: 'http' }];
  const made = await send('POST', `${core}/endpoints`, {
    metadata: { name: 'ext', labels: { tier: 'gold' }, annotations: { note: 'x' } },
    subsets: [
      {
        addresses: [{ ip: '1.2.3.4', hostname: 'first' }],
        notReadyAddresses: [{ ip: '1.2.3.6' }],
        ports,
      },
      { addresses: [{ ip: '2001:db8::1' }], ports },
    ],
  });
  assert.equal(made.status, 201);
  const [four, six] = await slicesOf('ext', ({ length }) => length === 2);
  assert.ok(four && six);
  assert.deepEqual(four.metadata.labels, {
    tier: 'gold',
    'kubernetes.io/service-name': 'ext',
    'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
  });
  assert.deepEqual(four.metadata.annotations, { note: 'x' });
  const [owner] = four.metadata.ownerReferences;
  assert.equal(`${owner?.kind} ${owner?.name}`, 'Endpoints ext');
  assert.equal(four.addressType, 'IPv4');
  const listed = four.endpoints?.toSorted((a, b) =>
    String(a.addresses[0]).localeCompare(String(b.addresses[0])),
  );
  assert.deepEqual(listed, [
    { addresses: ['1.2.3.4'], hostname: 'first', conditions: { ready: true } },
    { addresses: ['1.2.3.6'], conditions: { ready: false } },
  ]);
  assert.deepEqual(four.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
  assert.equal(six.addressType, 'IPv6');
  const one = { subsets: [{ addresses: [{ ip: '1.2.3.9' }], ports }] };
  assert.equal((await send('PATCH', `${core}/endpoints/ext`, one, MERGE)).status, 200);
  await slicesOf(
    'ext',
    (slices) => slices.length === 1 && slices[0]?.endpoints?.[0]?.addresses[0] === '1.2.3.9',
  );
});

test('endpoints: a Service with a selector has Endpoints and a slice, without a pod too', async () => {
  const { send, core, slicesOf } = await withSlices();
  const spec = { selector: { app: 'none' }, ports: [{ port: 80 }] };
  await send('POST', `${core}/services`, { metadata: { name: 'own' }, spec });
  const [slice] = await slicesOf('own', ({ length }) => length === 1);
  const [owner] = slice?.metadata.ownerReferences ?? [];
  assert.equal(`${owner?.kind} ${owner?.name}`, 'Service own');
  assert.equal(
    slice?.metadata.labels['endpointslice.kubernetes.io/managed-by'],
    'endpointslice-controller.k8s.io',
  );
  assert.equal(slice?.endpoints?.length ?? 0, 0);
});
