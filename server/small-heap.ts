import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the heap as small as it can be, of every thread; to be called before anything is loaded. Otherwise start-up alone leaves some 60 MB
 * resident that nothing uses again.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--optimize-for-size')
  // WebAssembly is what strips the types, once per file and thread: not worth the memory of a second compiler.
  setFlagsFromString('--liftoff-only')
}
