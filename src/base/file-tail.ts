import { open } from 'node:fs/promises';

/** The last `bytesMax` bytes of a file, or all of it where it is shorter; nothing where there is none. */
export async function tailOfFile(file: string, bytesMax: number): Promise<Buffer> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return Buffer.alloc(0);
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, bytesMax));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, Math.max(0, size - bytesMax));
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
