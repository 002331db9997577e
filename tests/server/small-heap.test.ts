import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { keepHeapSmall, letHeapGrow, youngBytes } from '../../server/small-heap.ts'

const MIB = 1024 * 1024
const MODULE = new URL('../../server/small-heap.ts', import.meta.url).href

// Garbage, and some of it that lives for a while, in many turns of the event loop; in a process of its own, whose heap nobody has used before.
const PROGRAM = `
const { keepHeapSmall, letHeapGrow, youngBytes } = await import(${JSON.stringify(MODULE)})
const work = async () => {
  const kept = []
  for (let round = 0; round < 300; round += 1) {
    kept.push(Array.from({ length: 10_000 }, (_, index) => ({ index, list: [index] })))
    if (kept.length > 6) kept.shift()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
const before = youngBytes()
keepHeapSmall()
await work()
const small = youngBytes()
letHeapGrow()
await work()
console.log(JSON.stringify([before, small, youngBytes()]))
`

void t.test('the young generation stays small while everything is loaded, and then grows so far and no further', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', PROGRAM])
  const [before, small, grown] = JSON.parse(stdout) as [number, number, number]
  // What the test runner loads into every process may have made it larger before.
  t.ok(small <= Math.max(before, 2 * MIB), `${small} bytes while everything is loaded, ${before} before`)
  t.ok(grown > 15 * MIB && grown <= 16 * MIB, `${grown} bytes then`)
})

void t.test('one that is large already does not grow', (t) => {
  const before = youngBytes()
  keepHeapSmall()
  letHeapGrow()
  t.ok(youngBytes() <= before)
  t.end()
})
