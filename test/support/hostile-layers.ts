import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { createHash } from 'node:crypto';
import type { Digest } from '#images/digest.ts';
import { tarOf, type TarEntry } from '#test/support/image-fixture.ts';

/** A layer that means harm, and what it is refused with; `harmless` where all it does stays inside. */
export interface HostileLayer {
  readonly what: string;
  /** Lowest first, when more than one layer is needed for it. */
  readonly archives: readonly Buffer[];
  readonly refused: RegExp | 'harmless';
}

const folder = (name: string): TarEntry => ({ name, type: 'directory', mode: 0o755 });
const link = (name: string, linkname: string): TarEntry => ({ name, linkname, type: 'symlink' });
const hard = (name: string, linkname: string): TarEntry => ({ name, linkname, type: 'link' });
const file = (name: string): TarEntry => ({ name, body: 'written by a hostile image' });
const END = Buffer.alloc(1024);

/** `outside` is an absolute path that nothing may be written to, `climbs` the same from a layer's root. */
export async function hostileLayers(outside: string): Promise<readonly HostileLayer[]> {
  const climbs = `../../../../../../../../../..${outside}`;
  const entries: readonly (readonly [string, readonly TarEntry[], HostileLayer['refused']])[] = [
    ['a path that climbs', [file(`${climbs}/file`)], /climbs/],
    ['a path that climbs from below', [file('a/b/../../../file')], /climbs/],
    ['a path that climbs and comes back', [file(`a/../b`)], /climbs/],
    ['an absolute path', [file(`${outside}/file`)], /absolute/],
    ['a folder that climbs', [folder(climbs)], /climbs/],
    ['a link that climbs', [link(`${climbs}/link`, 'x')], /climbs/],
    ['a file in place of the root', [{ name: './', type: 'file', body: 'x' }], /root/],
    ['a path of 5,000 characters', [file('a/'.repeat(2_500) + 'b')], /longer than 4096/],
    ['a path beyond what the kernel takes', [file('a/'.repeat(2_040) + 'b')], /cannot be read/],
    ['a name of 300 characters', [file('n'.repeat(300))], /cannot be read/],
    ['a file through a link', [link('out', outside), file('out/file')], /no folder/],
    ['a file through a climbing link', [link('out', climbs), file('out/file')], /no folder/],
    ['a folder through a link', [link('out', outside), folder('out/sub')], /no folder/],
    ['through two links', [link('a', outside), link('b', 'a'), file('b/file')], /no folder/],
    ['a link through a link', [link('o', outside), link('o/l', 'x')], /no folder/],
    ['a hard link through a link', [link('o', outside), hard('h', 'o/precious')], /hard link/],
    ['a hard link to an absolute path', [hard('h', `${outside}/precious`)], /absolute/],
    ['a hard link that climbs', [hard('h', `${climbs}/precious`)], /climbs/],
    ['a hard link to nothing', [hard('h', 'missing')], /hard link/],
    ['a hard link to a folder', [folder('d'), hard('h', 'd')], /hard link/],
    ['a hard link to itself', [hard('h', 'h')], /hard link/],
    ['a link to nothing at all', [link('l', '')], /symbolic link/],
    ['a folder of its own that becomes a link', [file('d/f'), link('d', outside)], /own layer/],
    ['a character device', [{ name: 'mem', type: 'character-device', devmajor: 1 }], /character/],
    ['a block device', [{ name: 'sda', type: 'block-device', devmajor: 8 }], /block/],
    ['a device that looks like a whiteout', [{ name: 'w', type: 'character-device' }], /character/],
    ['a FIFO', [{ name: 'pipe', type: 'fifo' }], /fifo/],
    ['a whiteout of no name', [file('.wh.')], /no name/],
    ['a whiteout of the folder above', [file('d/.wh...')], /no name/],
    ['a whiteout that climbs', [file(`${climbs}/.wh.precious`)], /climbs/],
    ['a whiteout through a link', [link('o', outside), file('o/.wh.precious')], 'harmless'],
    ['an opaque link', [link('o', outside), file('o/.wh..wh..opq')], 'harmless'],
    ['a link over a link', [link('o', outside), link('o', climbs), file('o')], 'harmless'],
    [
      'a file in place of a hard link to a link',
      [link('l', `${outside}/precious`), hard('h', 'l'), file('h')],
      'harmless',
    ],
    ['files below what is named as a whiteout', [file('.wh.d/f')], 'harmless'],
    ['links that name each other', [link('a', 'b'), link('b', 'a')], 'harmless'],
    ['a set-uid program', [{ name: 'su', mode: 0o6777, body: 'x' }], 'harmless'],
    [
      'attributes that speak to overlayfs',
      [
        {
          ...folder('d'),
          pax: { 'SCHILY.xattr.trusted.overlay.redirect': outside, path: 'd' },
        } as TarEntry,
      ],
      'harmless',
    ],
    [
      'a path in a PAX header that climbs',
      [{ name: 'a', pax: { path: `${climbs}/f` } } as TarEntry],
      /climbs/,
    ],
  ];
  const layers = [];
  for (const [what, list, refused] of entries)
    layers.push({ what, archives: [await tarOf(list)], refused });
  return [...layers, ...rawLayers(outside), ...(await severalLayers(outside))];
}

/** What no program that writes tar archives would write. */
function rawLayers(outside: string): readonly HostileLayer[] {
  const size = (value: string): Buffer => header({ name: 'f', size: value });
  const long = (type: string, text: string): Buffer =>
    Buffer.concat([
      header({ name: 'long', type, size: octal(text.length) }),
      padded(Buffer.from(text)),
    ]);
  const big = octal(5 * 1024 ** 2);
  const cases: readonly (readonly [string, readonly Buffer[], HostileLayer['refused']])[] = [
    ['a name with a NUL', [long('x', pax('path', 'a\0b')), header({ name: 'f' })], /NUL/],
    ['a GNU name that climbs', [long('L', '../../f\0'), header({ name: 'f' })], /climbs/],
    ['a GNU link out', [long('K', `${outside}\0`), header({ name: 'l', type: '2' })], 'harmless'],
    [
      'a global header that climbs',
      [long('g', pax('path', '../f')), long('x', pax('a', 'b')), header({ name: 'f' })],
      /climbs/,
    ],
    ['a header of 5 MiB', [header({ name: 'x', type: 'x', size: big })], /cannot be read/],
    ['a size below zero', [size('-0000000001')], /cannot be read/],
    ['a size of 2^80', [size('\x80\x01' + '\0'.repeat(10))], /cannot be read/],
    [
      'a size that is no number',
      [long('x', pax('size', 'many')), header({ name: 'f' })],
      /cannot be read/,
    ],
    ['a size beyond the end', [size(octal(1e9))], /cannot be read/],
    [
      'a sparse file',
      [header({ name: 'f', type: 'S', size: octal(0) })],
      /wanted a file|cannot be read/,
    ],
    ['a type nobody knows', [header({ name: 'f', type: 'Z' })], /wanted a file|cannot be read/],
    [
      'a checksum that is wrong',
      [Buffer.from(header({ name: 'f' }).fill('9', 0, 1))],
      /cannot be read/,
    ],
    ['noise', [Buffer.from('this is no archive'.repeat(100))], /cannot be read/],
  ];
  return cases.map(([what, blocks, refused]) => ({
    what,
    archives: [Buffer.concat([...blocks, END])],
    refused,
  }));
}

async function severalLayers(outside: string): Promise<readonly HostileLayer[]> {
  const layers = (...lists: readonly (readonly TarEntry[])[]): Promise<readonly Buffer[]> =>
    Promise.all(lists.map(tarOf));
  return [
    {
      what: 'a file below a link of the layer below',
      archives: await layers([link('d', outside)], [file('d/file')]),
      refused: 'harmless',
    },
    {
      what: 'a hard link to a file of the layer below',
      archives: await layers([file('f')], [hard('h', 'f')]),
      refused: /hard link/,
    },
    {
      what: 'a whiteout through a link of the layer below',
      archives: await layers([link('d', outside)], [file('d/.wh.precious')]),
      refused: 'harmless',
    },
    {
      what: 'an opaque folder on a link of the layer below',
      archives: await layers([link('d', outside)], [folder('d'), file('d/.wh..wh..opq')]),
      refused: 'harmless',
    },
  ];
}

const octal = (value: number): string => value.toString(8).padStart(11, '0');

/** One record of a PAX header. */
function pax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const length = rest.length + String(rest.length).length;
  return `${rest.length + String(length).length}${rest}`;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

interface Header {
  readonly name: string;
  readonly type?: string;
  /** The field as it stands there: octal digits, or what is none. */
  readonly size?: string;
}

/** One block of a tar archive with its right checksum. */
function header({ name, type = '0', size = octal(0) }: Header): Buffer {
  const block = Buffer.alloc(512);
  block.write(name.padEnd(100, '\0'), 0, 'latin1');
  block.write('0000644\0' + '0000000\0' + '0000000\0', 100, 'latin1');
  block.write(size.padEnd(12, '\0'), 124, 'latin1');
  block.write('00000000000\0', 136, 'latin1');
  block.write(`        ${type}`, 148, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A file of zeros as long as told, in an archive that is made as it is read. */
export function* zeros(bytes: number, name = 'zeros'): Generator<Buffer> {
  yield header({ name, size: octal(bytes) });
  const chunk = Buffer.alloc(1024 ** 2);
  for (let left = bytes; left > 0; left -= chunk.length)
    yield chunk.subarray(0, Math.min(left, chunk.length));
  yield END;
}

/** So many empty files, a thousand a folder. */
export function* manyFiles(count: number): Generator<Buffer> {
  const named = (name: string): Buffer => header({ name });
  for (let at = 0; at < count; at += 1000)
    yield Buffer.concat(Array.from({ length: 1000 }, (_, n) => named(`d${at}/${n}`)));
  yield END;
}

/** So many files, each below a thousand folders that only its name mentions. */
export function* deepFiles(count: number): Generator<Buffer> {
  for (let at = 0; at < count; at += 1) {
    const name = Buffer.from(`${at}/${'d/'.repeat(1000)}f\0`);
    const size = octal(name.length);
    yield Buffer.concat([
      header({ name: 'long', type: 'L', size }),
      padded(name),
      header({ name: 'f' }),
    ]);
  }
  yield END;
}

/** Compresses an archive to a file; the digest of what it was. */
export async function compressed(
  archive: Iterable<Buffer>,
  { to, as }: { readonly to: string; readonly as: 'gzip' | 'zstd' },
): Promise<Digest> {
  const hash = createHash('sha256');
  const hashed = function* (): Generator<Buffer> {
    for (const chunk of archive) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const compressor =
    as === 'gzip'
      ? createGzip({ level: 1 })
      : createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  await pipeline(Readable.from(hashed()), compressor, createWriteStream(to));
  return `sha256:${hash.digest('hex')}`;
}
