import { enableCompileCache, flushCompileCache } from 'node:module'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * In a checkout, keeps what the types were stripped from beside the dependencies, for the next start and for every thread: the stripper is some
 * 20 MB for each of them, and half the time of a start. What was built has no types, and writes nothing where it lies. A folder that
 * may not be written is no fault: then nothing is kept. `url` is that of the file that was started.
 */
export function keepCompiled(url: string): void {
  if (extname(url) !== '.ts') return
  const folder = fileURLToPath(new URL('../node_modules/.cache/signing-server', url))
  enableCompileCache(folder)
  // Threads read it from here; a child gets an environment of its own.
  process.env['NODE_COMPILE_CACHE'] = folder
}

/** Writes down what was compiled so far, before there is a thread that needs it too. */
export function shareCompiled(): void {
  flushCompileCache()
}
