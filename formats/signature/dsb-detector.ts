import { Buffer } from 'node:buffer'
import { DSB_EYE_CATCHER } from './dsb.ts'

/** Watches the bytes of a file go by for a digital signature block at its end. */
export type DsbDetector = Readonly<{ push(chunk: Uint8Array): void; isDetected(): boolean }>

/**
 * Returns a detector that keeps the last eight bytes pushed and compares them with the eye catcher. A block that ends rightly and is
 * wrong otherwise counts as detected too: the file was meant to carry one, and is not the bare package its signature would be about.
 * @see docs/formats/dsb.md
 */
export function createDsbDetector(): DsbDetector {
  const length = DSB_EYE_CATCHER.length
  const tail = Buffer.alloc(length)

  function push(chunk: Uint8Array): void {
    const piece = chunk.subarray(Math.max(0, chunk.length - length))
    tail.copyWithin(0, piece.length)
    tail.set(piece, length - piece.length)
  }
  return { push, isDetected: () => tail.toString('latin1') === DSB_EYE_CATCHER }
}
