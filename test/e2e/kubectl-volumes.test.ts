import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import {
  byAllKubectls,
  byEveryKubectl,
  scriptContainer,
  scriptPod,
  type AskedPod,
  type KubectlClient,
} from '#test/support/kubectl-client.ts';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { toolsImage } from '#test/support/sample-image.ts';

/* What pods keep, and what they may not have more of: claims on this machine's disk, and limits that are measured. */

let it: Platform;
let image: string;

before(async () => {
  it = await startPlatform();
  image = await toolsImage(it);
});
after(async () => await it[Symbol.asyncDispose]());

const every = byEveryKubectl('volumes', () => it);
const together = byAllKubectls('volumes', () => it);
const pod = (name: string, asked: AskedPod): object => scriptPod(image, name, asked);

function claim(name: string, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Mi' } },
      ...spec,
    },
  };
}

/** A pod with the claim at /data, and a part of it at /part. */
function user(name: string, claimName: string, asked: AskedPod): object {
  const volumeMounts = [
    { name: 'data', mountPath: '/data' },
    { name: 'data', mountPath: '/part', subPath: 'a/part' },
  ];
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName } }];
  return pod(name, {
    script: asked.script,
    container: { volumeMounts, ...asked.container },
    spec: { volumes, ...asked.spec },
  });
}

const field = async (client: KubectlClient, of: string, jsonPath: string): Promise<string> =>
  await client.ok(['get', ...of.split(' '), '-o', `jsonpath={${jsonPath}}`]);

every(
  'a claim waits for its first pod, keeps what is written, and goes when the last pod has',
  async (client) => {
    const [data, writer, reader, holder] = ['data', 'writer', 'reader', 'holder'].map((name) =>
      client.own(name),
    ) as [string, string, string, string];
    await client.apply(claim(data));
    await client.until(
      async () => await client.ok(['describe', 'pvc', data]),
      /WaitForFirstConsumer/,
    );
    assert.match(await client.ok(['get', 'pvc', data, '--no-headers']), /^\S+ +Pending /);
    const write = 'echo whole > /data/file; echo piece > /part/file; id; ls -ld /data';
    const groups = { runAsUser: 1000, fsGroup: 2000 };
    await client.apply(user(writer, data, { script: write, spec: { securityContext: groups } }));
    assert.match(await client.said(writer), /groups=.*2000[^]*^drwxrws.* 2000 /m);
    const bound = await client.ok(['get', 'pvc', data, '--no-headers']);
    assert.match(bound, /^\S+ +Bound +\S+ +1Mi +RWO +local /);
    const volume = await field(client, `pvc ${data}`, '.spec.volumeName');
    const ofVolume = new RegExp(`1Mi +RWO +Delete +Bound +default/${data} +local`);
    assert.match(await client.ok(['get', 'pv', volume]), ofVolume);
    const folder = path.join(it.home, 'volumes', volume);
    assert.equal(readFileSync(path.join(folder, 'a/part/file'), 'utf8'), 'piece\n');
    await client.ok(['delete', 'pod', writer]);
    await client.apply(
      user(reader, data, { script: 'cat /data/file /data/a/part/file /part/file' }),
      user(holder, data, { script: 'until [ -e /data/over ]; do sleep 0.1; done' }),
    );
    assert.equal(await client.said(reader), 'whole\npiece\npiece\n');
    // Whoever uses it keeps it.
    await client.ok(['delete', 'pvc', data, '--wait=false']);
    assert.match(await client.ok(['get', 'pvc', data, '--no-headers']), /^\S+ +Terminating /);
    await client.podOnce(holder, ({ phase }) => phase === 'Running');
    writeFileSync(path.join(folder, 'over'), '');
    await client.said(holder);
    await client.ok(['delete', 'pod', reader, holder]);
    const left = async (): Promise<string> =>
      await client.ok(['get', 'pvc,pv', '--ignore-not-found', '-o', 'name']);
    await client.until(async () => `${(await left()).includes(volume)}`, /false/);
    assert.ok(!(await left()).includes(`/${data}`));
    assert.equal(existsSync(folder), false);
  },
);

every(
  'a volume that a person made is found by its size, and kept when its claim goes',
  async (client) => {
    const [mine, data, reader] = ['mine', 'found', 'finder'].map((name) => client.own(name)) as [
      string,
      string,
      string,
    ];
    const folder = path.join(it.home, mine);
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'file'), 'from before\n');
    const volume = (name: string, storage: string, at: string): object => ({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage },
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: mine,
        hostPath: { path: at },
      },
    });
    await client.apply(
      volume(client.own('larger'), '9Gi', '/etc'),
      volume(mine, '2Gi', folder),
      claim(data, { storageClassName: mine, resources: { requests: { storage: '1Gi' } } }),
      user(reader, data, {
        script: 'cat /data/file; echo and after >> /data/file',
        container: { securityContext: { runAsUser: 0 } },
      }),
    );
    assert.equal(await client.said(reader), 'from before\n');
    assert.equal(await field(client, `pvc ${data}`, '.spec.volumeName'), mine);
    await client.ok(['delete', 'pod', reader]);
    await client.ok(['delete', 'pvc', data]);
    await client.until(
      async () => await client.ok(['get', 'pv', mine, '--no-headers']),
      / Retain +Released /,
    );
    assert.equal(readFileSync(path.join(folder, 'file'), 'utf8'), 'from before\nand after\n');
    await client.ok(['delete', 'pv', mine, client.own('larger')]);
  },
);

every('a claim that a pod brings along goes with it', async (client) => {
  const name = client.own('brings');
  const volumeClaimTemplate = {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
  };
  await client.apply(
    pod(name, {
      script: 'echo x > /data/file; cat /data/file',
      container: { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      spec: { volumes: [{ name: 'data', ephemeral: { volumeClaimTemplate } }] },
    }),
  );
  assert.equal(await client.said(name), 'x\n');
  assert.match(await client.ok(['get', 'pvc', `${name}-data`, '--no-headers']), /^\S+ +Bound /);
  await client.ok(['delete', 'pod', name]);
  const claims = ['get', 'pvc', '--ignore-not-found', '-o', 'name'];
  await client.until(async () => `${(await client.ok(claims)).includes(name)}`, /false/);
});

together(
  'who writes more than is allowed is evicted with the words, and who does not goes on',
  async (client) => {
    const big = 'head -c 3000000 /dev/zero >';
    const stays = 'exec sleep 1000000';
    const limits = { 'ephemeral-storage': '2Mi' };
    const volumes = (sizeLimit?: string): object[] => [
      { name: 'data', emptyDir: { ...(sizeLimit !== undefined && { sizeLimit }) } },
    ];
    const volumeMounts = [{ name: 'data', mountPath: '/data' }];
    const [sized, layer, together, modest] = ['sized', 'layer', 'together', 'modest'].map((name) =>
      client.own(name),
    ) as [string, string, string, string];
    await client.apply(
      pod(sized, {
        script: `${big} /data/big; ${stays}`,
        container: { volumeMounts },
        spec: { volumes: volumes('1Mi') },
      }),
      pod(layer, {
        script: stays,
        spec: {
          containers: [
            scriptContainer(image, 'main', {
              script: `${big} /tmp/big; ${stays}`,
              resources: { limits },
            }),
            scriptContainer(image, 'beside', { script: stays, resources: { limits } }),
          ],
        },
      }),
      pod(together, {
        script: `${big} /data/big; ${stays}`,
        container: { volumeMounts, resources: { limits } },
        spec: { volumes: volumes() },
      }),
      pod(modest, {
        script: `head -c 1000000 /dev/zero > /data/some; ${stays}`,
        container: { volumeMounts, resources: { limits } },
        spec: { volumes: volumes('2Mi') },
      }),
    );
    const words = {
      [sized]: 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
      [layer]: 'Container main exceeded its local ephemeral storage limit "2Mi". ',
      [together]: 'Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ',
    };
    for (const [name, message] of Object.entries(words)) {
      const { status } = await client.podOnce(name, ({ phase }) => phase === 'Failed');
      assert.deepEqual([status?.reason, status?.message], ['Evicted', message]);
      const described = await client.ok(['describe', 'pod', name]);
      assert.match(described, /^Reason: +Evicted$/m);
      assert.match(described, / Warning +Evicted /);
    }
    const { status } = await client.podOnce(modest, () => true);
    assert.equal(status?.phase, 'Running');
    await client.ok(['delete', 'pod', modest, '--wait=false']);
  },
);
