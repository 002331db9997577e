import { getPriority, platform } from 'node:os'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { standBack } from '../../../server/threads/stand-back.ts'

t.test('a thread stands back five steps, and never further than there are', { skip: platform() !== 'linux' && 'priorities are those of threads on Linux alone' }, (t) => {
  const before = getPriority(process.pid)
  const seen = Array.from({ length: 5 }, () => (standBack(), getPriority(process.pid)))
  t.strictSame(seen, [5, 10, 15, 20, 25].map((steps) => Math.min(before + steps, 19)))
  t.end()
})

t.test('where the system does not say which thread it is, nothing changes', (t) => {
  const before = getPriority(process.pid)
  const elsewhere = join(t.testdir({}), 'self')
  symlinkSync(String(process.pid), elsewhere)
  for (const self of ['/nowhere/thread-self', elsewhere]) t.doesNotThrow(() => standBack(self))
  t.equal(getPriority(process.pid), before)
  t.end()
})
