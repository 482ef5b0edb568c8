import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageError } from './image.ts';
import {
  chooseManifest,
  DOCKER_LIST,
  MANIFEST_BYTES_MAX,
  OCI_INDEX,
  OCI_MANIFEST,
  parseImageConfig,
  parseManifest,
  platformOf,
} from './manifest.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const blob = { mediaType: 'x', digest, size: 1 };

function bytesOf(value: unknown): Buffer {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}

function refuses(value: unknown, part: string): void {
  assert.throws(
    () => parseManifest(bytesOf(value)),
    (error) =>
      error instanceof ImageError && error.reason === 'Invalid' && error.message.includes(part),
    part,
  );
}

test('manifest: what it is comes from itself, else from how it was sent, else from its content', () => {
  const image = { schemaVersion: 2, config: blob, layers: [blob] };
  assert.equal(parseManifest(bytesOf(image)).mediaType, OCI_MANIFEST);
  const index = { schemaVersion: 2, manifests: [blob] };
  assert.equal(parseManifest(bytesOf(index)).mediaType, OCI_INDEX);
  assert.equal(parseManifest(bytesOf(index), DOCKER_LIST).mediaType, DOCKER_LIST);
  assert.equal(parseManifest(bytesOf({ ...index, mediaType: OCI_INDEX })).content.kind, 'index');
});

test('manifest: nonsense is refused with the field that is wrong', () => {
  const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: blob, layers: [blob] };
  refuses('{', 'not JSON');
  refuses('[]', 'not a JSON object');
  refuses('['.repeat(1_000_000), 'not JSON');
  refuses(' '.repeat(MANIFEST_BYTES_MAX + 1), 'bytes');
  refuses({ ...image, schemaVersion: 1 }, 'schemaVersion');
  refuses({ ...image, mediaType: 'application/json' }, 'media type');
  refuses({ ...image, config: undefined }, 'config');
  refuses({ ...image, config: { ...blob, digest: 'sha256:../../etc/passwd' } }, 'digest');
  refuses({ ...image, layers: [{ ...blob, size: -1 }] }, 'size');
  refuses({ ...image, layers: [{ ...blob, size: 1.5 }] }, 'size');
  refuses(
    { ...image, layers: Array.from({ length: 128 }, () => blob) },
    '128 entries, at most 127',
  );
});

test('image configuration: keeps what has the promised type, refuses a command that is none', () => {
  const file = (config: unknown): Buffer => bytesOf({ config, rootfs: { diff_ids: [digest] } });
  assert.deepEqual(parseImageConfig(file({ Cmd: ['a'], User: 7, Labels: { a: 'b', c: 1 } })), {
    platform: {},
    config: { Cmd: ['a'], Labels: { a: 'b' } },
    diffIds: [digest],
  });
  assert.deepEqual(parseImageConfig(file(null)).config, {});
  assert.throws(() => parseImageConfig(file({ Cmd: 'a' })), /Cmd/);
  assert.throws(() => parseImageConfig(bytesOf({})), /diff_ids/);
});

test('index: the entry for this machine is chosen, attestations never', () => {
  const entry = (architecture: string, os = 'linux'): object => ({
    ...blob,
    digest: `sha256:${Buffer.from(architecture).toString('hex').padEnd(64, '0')}`,
    platform: { os, architecture },
  });
  const manifests = [entry('unknown', 'unknown'), entry('arm64'), entry('amd64')];
  const { content } = parseManifest(bytesOf({ schemaVersion: 2, manifests }));
  assert.equal(content.kind, 'index');
  assert.equal(chooseManifest(content, platformOf('x64'))?.platform?.architecture, 'amd64');
  assert.equal(chooseManifest(content, platformOf('arm64'))?.platform?.architecture, 'arm64');
  assert.equal(chooseManifest(content, platformOf('s390x')), undefined);
});
