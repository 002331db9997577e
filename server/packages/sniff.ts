import type { FileHandle } from 'node:fs/promises'
import { FORMAT_HEAD_BYTES, recogniseFormat, type FileFormat } from '../../formats/index.ts'

/** Returns what an open file looks like, from its first bytes alone; whether a package is sound is for the inspection to say. */
export async function sniff(handle: FileHandle): Promise<FileFormat> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(FORMAT_HEAD_BYTES), 0, FORMAT_HEAD_BYTES, 0)
  return recogniseFormat(buffer.subarray(0, bytesRead))
}
