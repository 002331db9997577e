import { PerformanceObserver } from 'node:perf_hooks'
import { runInNewContext } from 'node:vm'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/**
 * How large the young generation of the event loop becomes, and that of a thread is. V8 would let it grow to 32 MB in each of them, 54 MB
 * resident. Twice as much would save a request 4 % of its processor time and cost 10 MB (decision 0040).
 */
const YOUNG_BYTES = 8 * 1024 * 1024
const THREAD_YOUNG_MIB = 2

/**
 * Keeps the heap as small as it can be while everything is loaded, of every thread; to be called before. Otherwise start-up alone leaves some
 * 60 MB resident that nothing uses again.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--optimize-for-size')
  // WebAssembly is what strips the types, once per file and thread: not worth the memory of a second compiler.
  setFlagsFromString('--liftoff-only')
  // V8 looks at this when a heap is made: it is for the threads, the heap of the event loop is there.
  setFlagsFromString(`--max-semi-space-size=${THREAD_YOUNG_MIB}`)
}

/**
 * Lets the heap grow with what is asked of it, to be called once everything is loaded: a heap that stays small halves what a busy server can
 * do. What the start has left behind is thrown away first.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  collectGarbage()
  setFlagsFromString('--no-optimize-for-size')
  let mayGrow: boolean | undefined
  // Each time, for V8 makes it small again when there is little to do.
  const bound = (): void => {
    const before = mayGrow
    mayGrow = youngBytes() <= YOUNG_BYTES / 2
    if (mayGrow !== before) setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`)
  }
  bound()
  new PerformanceObserver(bound).observe({ entryTypes: ['gc'] })
}

/** How much the young generation of this thread can hold. */
export function youngBytes(): number {
  const young = getHeapSpaceStatistics().filter((space) => space.space_name === 'new_space')
  return young.reduce((sum, { space_used_size: used, space_available_size: available }) => sum + used + available, 0)
}
