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
keepHeapSmall()
await work()
const small = youngBytes()
letHeapGrow()
await work()
console.log(JSON.stringify([small, youngBytes()]))
`

void t.test('the young generation grows so far and no further, once everything is loaded', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', PROGRAM])
  const [small, grown] = JSON.parse(stdout) as [number, number]
  // V8 may make it larger while it is kept small, where much is alive at once; behind that it does not grow.
  t.ok(grown > 4 * MIB && grown <= Math.max(small, 8 * MIB), `${grown} bytes, ${small} while everything was loaded`)
})

void t.test('one that is large already does not grow', (t) => {
  const before = youngBytes()
  keepHeapSmall()
  letHeapGrow()
  t.ok(youngBytes() <= before)
  t.end()
})
