import { runInNewContext } from 'node:vm'
import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the heap as small as it can be while everything is loaded, of every thread; to be called before. Otherwise start-up alone leaves some
 * 60 MB resident that nothing uses again.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--optimize-for-size')
  // WebAssembly is what strips the types, once per file and thread: not worth the memory of a second compiler.
  setFlagsFromString('--liftoff-only')
}

/**
 * Lets the heap grow with what is asked of it, to be called once everything is loaded: a heap that stays small halves what a busy server can
 * do. What the start has left behind is thrown away first.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  collectGarbage()
  setFlagsFromString('--semi-space-growth-factor=2')
  setFlagsFromString('--no-optimize-for-size')
}
