import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { Service } from '#api/serving-v1/service.ts';
import { hello, namespace, servingStage, type ServingStage } from '#test/support/serving-stage.ts';

const name = 'hello-00001';

/** A ready Service whose revision says this of its scale. */
async function scaled(on: ServingStage, said: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(said).map(([key, to]) => `autoscaling.knative.dev/${key}: "${to}"`);
  await on.cluster.client.create(Service, hello({ annotations: `{ ${lines.join(', ')} }` }));
  await on.play();
}

async function replicas({ cluster }: ServingStage): Promise<number | undefined> {
  const ref = { namespace, name: `${name}-deployment` };
  return (await cluster.client.get(Deployment, ref))?.spec?.replicas;
}

async function mode({ cluster }: ServingStage): Promise<string | undefined> {
  return (await cluster.client.get(ServerlessService, { namespace, name }))?.spec.mode;
}

/** So many seconds of this load, with pods that come as they are wanted. */
async function seconds(
  on: ServingStage,
  count: number,
  { concurrency, requests }: { readonly concurrency: number; readonly requests?: number },
): Promise<void> {
  for (let second = 0; second < count; second += 1) {
    await on.second(concurrency, requests);
    await on.runPods();
  }
}

test('load: pods follow the requests at once, by the target and within max-scale, and go with them', async () => {
  await using on = await servingStage();
  // A pod is to have seven tenths of its target.
  await scaled(on, { target: '10', window: '6s', 'max-scale': '6' });
  await seconds(on, 8, { concurrency: 28 });
  assert.equal(await replicas(on), 4);
  await seconds(on, 8, { concurrency: 500 });
  assert.equal(await replicas(on), 6);
  await seconds(on, 30, { concurrency: 7 });
  assert.equal(await replicas(on), 1);
});

test('load: metric rps counts the requests of a second', async () => {
  await using on = await servingStage();
  await scaled(on, { metric: 'rps', target: '100', window: '6s' });
  await seconds(on, 8, { concurrency: 1, requests: 210 });
  assert.equal(await replicas(on), 3);
});

test('load: fewer pods are waited for as long as scale-down-delay says', async () => {
  await using on = await servingStage();
  await scaled(on, { target: '10', window: '6s', 'scale-down-delay': '60s' });
  await seconds(on, 8, { concurrency: 28 });
  await seconds(on, 40, { concurrency: 7 });
  assert.equal(await replicas(on), 4);
  // Not to less than half at once (max-scale-down-rate), and what is left waits as long again.
  await seconds(on, 40, { concurrency: 7 });
  assert.equal(await replicas(on), 2);
  await seconds(on, 50, { concurrency: 7 });
  assert.equal(await replicas(on), 1);
});

test('load: a revision begins with initial-scale, and comes back with activation-scale', async () => {
  await using on = await servingStage();
  await scaled(on, { 'initial-scale': '3', 'activation-scale': '2', window: '6s' });
  assert.equal(await replicas(on), 3);
  for (let second = 0; second < 60; second += 1) await on.second();
  await on.play();
  assert.equal(await replicas(on), 0);
  await seconds(on, 8, { concurrency: 1 });
  assert.equal(await replicas(on), 2);
});

test('load: who stands before the pods follows from the burst that they can take', async () => {
  for (const [said, wanted] of [
    [{ 'target-burst-capacity': '0' }, 'Serve'],
    [{ 'target-burst-capacity': '-1', 'min-scale': '4' }, 'Proxy'],
    [{ 'target-burst-capacity': '200', 'min-scale': '1' }, 'Proxy'],
    [{ 'target-burst-capacity': '200', 'min-scale': '3' }, 'Serve'],
  ] as const) {
    await using on = await servingStage();
    await scaled(on, { ...said, window: '6s' });
    await seconds(on, 8, { concurrency: 1 });
    assert.equal(await mode(on), wanted, JSON.stringify(said));
    if ('min-scale' in said) continue;
    for (let second = 0; second < 60; second += 1) await on.second();
    await on.play();
    assert.deepEqual([await replicas(on), await mode(on)], [0, 'Proxy']);
  }
});
