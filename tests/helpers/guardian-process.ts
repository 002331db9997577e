import { rmSync } from 'node:fs'

/**
 * A process that outlives a test only to clean up after it: kills process argv[2] and removes folder argv[3] when its standard input
 * ends, which it does when the test process dies, however that dies. A test that ends well kills it first.
 */
process.stdin.resume().on('end', () => {
  try {
    process.kill(Number(process.argv[2]), 'SIGQUIT')
  } catch {
    // It ended by itself.
  }
  rmSync(process.argv[3] as string, { recursive: true, force: true })
})
