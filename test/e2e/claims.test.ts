import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const CLAIM = `
  apiVersion: v1
  kind: PersistentVolumeClaim
  metadata: { name: data }
  spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
`;

async function runPod(it: Platform, image: string): Promise<void> {
  const pod = `
    apiVersion: v1
    kind: Pod
    metadata: { name: web }
    spec:
      containers: [{ name: web, image: "${image}", volumeMounts: [{ name: data, mountPath: /data }] }]
      volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]
  `;
  await it.ok(['apply', '-f', '-'], pod);
  await it.ok(['wait', '--for=condition=Ready', 'pod/web', '--timeout=60s']);
}

test('claims: a folder is made for one, outlives its pods, and goes with it', async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  await it.ok(['apply', '-f', '-'], CLAIM);
  await runPod(it, image);
  const volume = await it.ok(['get', 'pvc', 'data', '-o', 'jsonpath={.spec.volumeName}']);
  const folder = path.join(it.home, 'volumes', volume);
  writeFileSync(path.join(folder, 'kept'), 'x');
  await it.ok(['delete', 'pod', 'web']);
  await runPod(it, image);
  assert.deepEqual(readdirSync(folder), ['kept']);
  assert.match(await it.ok(['get', 'pv', volume]), /1Mi +RWO +Delete +Bound +default\/data +local/);

  await it.ok(['delete', 'pod', 'web']);
  await it.ok(['delete', 'pvc', 'data']);
  await it.ok(['wait', '--for=delete', `pv/${volume}`, '--timeout=30s']);
  assert.equal(existsSync(folder), false);
});
