import { read } from 'node:fs'
import { promisify } from 'node:util'
import { FORMAT_HEAD_BYTES, recogniseFormat, type FileFormat } from '../../formats/index.ts'

const readAt = promisify(read)

/** Returns what an open file looks like, from its first bytes alone; whether a package is sound is for the inspection to say. */
export async function sniff(fd: number): Promise<FileFormat> {
  const { buffer, bytesRead } = await readAt(fd, Buffer.alloc(FORMAT_HEAD_BYTES), 0, FORMAT_HEAD_BYTES, 0)
  return recogniseFormat(buffer.subarray(0, bytesRead))
}
