import type { FileHandle } from 'node:fs/promises'
import { createPackageScanner } from '../../formats/index.ts'

/** Enough to tell the formats apart; whether a package is sound is for the inspection to say. */
const HEAD_BYTES = 1024

/** Returns what an open file looks like, from its first bytes alone. */
export async function sniff(handle: FileHandle): Promise<'installp' | 'toc' | 'other'> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  const scanner = createPackageScanner()
  try {
    scanner.push(buffer.subarray(0, bytesRead))
    return scanner.end().kind
  } catch {
    // It starts like a package: the scanner's only complaint is about what comes after.
    return 'installp'
  }
}
