import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { bodyText } from '#base/http-message.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { isReady, NODE_IMAGE, startAgentBed, type AgentBed } from '#test/support/agent-bed.ts';

function node(script: string, rest: Partial<Container> = {}): Container {
  return { name: 'main', image: NODE_IMAGE, args: ['-e', script], ...rest };
}

async function log(bed: AgentBed, name: string): Promise<string> {
  const { signal } = new AbortController();
  const request = { namespace: 'default', name, query: new URLSearchParams(), signal };
  return bodyText((await bed.agent.access.log(request)).body);
}

const done = ({ status }: Pod): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed';

test('volumes: files change while the pod runs, all at once; those of a subPath do not', async () => {
  await using bed = await startAgentBed();
  const { client } = bed.cluster;
  const map = { namespace: 'default', name: 'settings' };
  await client.create(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: map,
    data: { color: 'green', gone: 'soon', 'a.txt': '1' },
  });
  const watch = `let last = ''; const look = () => {
    const files = fs.readdirSync('/config').filter((name) => !name.startsWith('..')).sort().map((name) => name + '=' + fs.readFileSync('/config/' + name));
    const now = [...files, fs.readFileSync('/one'), fs.readFileSync('/pod/labels')].join(' ');
    if (now !== last) console.log(last = now);
    if (now.includes('red') && now.includes('tier')) process.exit(0);
  }; setInterval(() => { try { look() } catch (error) { if (error.code !== 'ENOENT') throw error } }, 5)`;
  await bed.createPod('reader', {
    restartPolicy: 'Never',
    volumes: [
      { name: 'config', configMap: { name: 'settings', defaultMode: 0o400 } },
      {
        name: 'pod',
        downwardAPI: {
          items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }],
        },
      },
    ],
    containers: [
      node(watch, {
        volumeMounts: [
          { name: 'config', mountPath: '/config' },
          { name: 'config', mountPath: '/one', subPath: 'color' },
          { name: 'pod', mountPath: '/pod' },
        ],
        readinessProbe: { exec: { command: ['/bin/node', '-e', '0'] } },
      }),
    ],
  });
  await bed.podOnce('reader', isReady);
  const change = { data: { color: 'red', gone: null, 'a.txt': '2' } };
  await client.patch(ConfigMap, map, change, { type: 'merge' });
  const ref = { namespace: 'default', name: 'reader' };
  const patch = { metadata: { labels: { tier: 'front' } } };
  await client.patch(Pod, ref, patch, { type: 'merge' });
  await bed.podOnce('reader', done);
  const lines = (await log(bed, 'reader')).trim().split('\n');
  assert.match(lines[0] ?? '', /a\.txt=1 color=green gone=soon green/);
  assert.match(lines.at(-1) ?? '', /a\.txt=2 color=red green tier="front"$/);
  assert.doesNotMatch(lines.at(-1) ?? '', /gone/);
});

test('volumes: claims, paths of the machine, groups and sub-paths', async () => {
  await using bed = await startAgentBed();
  const { client } = bed.cluster;
  const folder = path.join(bed.home, 'volumes', 'pv-1');
  const claim = await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      volumeName: 'pv-1',
    },
  });
  await client.create(PersistentVolume, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pv-1' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      claimRef: { name: 'data', namespace: 'default', uid: claim.metadata.uid ?? '' },
      local: { path: folder },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'Exists' }] },
          ],
        },
      },
    },
  });
  const shared = path.join(bed.home, 'shared');
  await mkdir(shared);
  await writeFile(path.join(shared, 'here'), 'from the machine');
  const write = `fs.writeFileSync('/data/made', 'kept'); fs.writeFileSync('/deep/file', process.env.NAME);
    const { mode, gid } = fs.statSync('/empty'); fs.symlinkSync('/etc', '/data/out');
    console.log([process.getgroups().includes(2000), gid, (mode & 0o7777).toString(8), fs.readFileSync('/machine/here'),
      fs.statSync('/data').gid, fs.statSync('/data/made').gid].join('|'))`;
  const volumes = [
    { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
    { name: 'machine', hostPath: { path: shared, type: 'Directory' } },
    { name: 'empty', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
  ];
  await bed.createPod('writer', {
    restartPolicy: 'Never',
    securityContext: { fsGroup: 2000, runAsUser: 1000, fsGroupChangePolicy: 'OnRootMismatch' },
    volumes,
    containers: [
      node(write, {
        env: [{ name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'data', mountPath: '/deep', subPathExpr: 'by/$(NAME)' },
          { name: 'machine', mountPath: '/machine', readOnly: true },
          { name: 'empty', mountPath: '/empty' },
        ],
      }),
    ],
  });
  await bed.podOnce('writer', ({ status }) => {
    const { waiting } = status?.containerStatuses?.[0]?.state ?? {};
    return /persistentvolumeclaim "data" is not bound/.test(waiting?.message ?? '');
  });
  await client.updateStatus(PersistentVolumeClaim, { ...claim, status: { phase: 'Bound' } });
  const pod = await bed.podOnce('writer', done);
  assert.equal(pod.status?.phase, 'Succeeded', await log(bed, 'writer'));
  assert.equal(await log(bed, 'writer'), 'true|2000|2777|from the machine|2000|2000\n');
  assert.equal(await readFile(path.join(folder, 'by/writer/file'), 'utf8'), 'writer');
  await bed.restart();
  const own = path.join(bed.home, 'agent/pods', pod.metadata.uid ?? '', 'volumes');
  assert.ok(!existsSync(own), 'a pod that has ended holds no memory');
  assert.equal((await stat(path.join(folder, 'made'))).uid, 1000);
  const refused = async (name: string, subPath: string): Promise<string> => {
    await bed.createPod(name, {
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      containers: [node('0', { volumeMounts: [{ name: 'data', mountPath: '/data', subPath }] })],
    });
    const waiting = await bed.podOnce(name, ({ status }) =>
      Boolean(status?.containerStatuses?.[0]?.state?.waiting?.message),
    );
    return waiting.status?.containerStatuses?.[0]?.state?.waiting?.message ?? '';
  };
  assert.match(await refused('outside', 'out/passwd'), /leads out of its volume/);
  assert.match(await refused('link', 'out'), /leads out of its volume/);
  await rm(path.join(folder, 'out'));
});
