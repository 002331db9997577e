import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { watchValidity, type ValidityNotice } from '../../../server/identity/validity-watch.ts'
import type { Validity } from '../../../server/identity/validity.ts'
import { eventually } from '../../helpers/processes.ts'

const NOW = new Date('2026-11-24T09:15:00Z')
const inDays = (days: number): Date => new Date(NOW.getTime() + days * 86_400_000)

void t.test('what ends soon is told once for each notice that becomes due, and at once after a reload', async (t) => {
  let [now, validity]: [Date, Validity] = [NOW, { serverNotAfter: inDays(31), clientCaNotAfter: inDays(400), crlNextUpdate: inDays(2.5) }]
  let ended = 0
  const told: ValidityNotice[] = []
  const watch = watchValidity({ validity: () => validity, clock: () => now, tell: (notice) => told.push(notice), ended: () => (ended += 1) })
  t.teardown(() => watch.close())
  const look = (days: number): readonly unknown[] => {
    now = inDays(days)
    watch.look()
    return told.splice(0).map(({ what, daysLeft, notice }) => [what, daysLeft, notice])
  }
  t.strictSame(told, [{ what: 'cert', endsAt: inDays(31).toISOString(), daysLeft: 31, notice: 90 }, { what: 'crl', endsAt: inDays(2.5).toISOString(), daysLeft: 2, notice: 3 }])
  told.splice(0)
  t.strictSame(look(0), [], 'once')
  t.strictSame(look(1.6), [['cert', 29, 30], ['crl', 0, 1]])
  t.equal(ended, 0)
  t.strictSame(look(2.5), [['crl', 0, 0]])
  t.equal(ended, 1, 'those whom the list let in must not stay')
  t.strictSame(look(2.6), [])
  t.equal(ended, 2, 'and not come back')
  validity = { ...validity, crlNextUpdate: inDays(5) }
  t.strictSame(look(2.7), [['crl', 2, 3]], 'another list')
  t.equal(ended, 2)
  validity = { serverNotAfter: inDays(1), clientCaNotAfter: inDays(400) }
  t.strictSame(look(3), [['cert', 0, 0]])
  t.equal(ended, 2, 'a certificate of the server lets nobody in')
  t.strictSame(look(400), [['clientCa', 0, 0]])
  t.equal(ended, 3)
})

void t.test('the end of a list is noticed when it comes', async (t) => {
  const crlNextUpdate = new Date(Date.now() + 80)
  let ended = 0
  const watch = watchValidity({ validity: () => ({ serverNotAfter: inDays(4000), clientCaNotAfter: inDays(4000), crlNextUpdate }), clock: () => new Date(), tell: () => undefined, ended: () => (ended += 1) })
  await eventually(() => ended === 1)
  t.ok(Date.now() >= crlNextUpdate.getTime())
  watch.close()
  const closed = watchValidity({ validity: () => ({ serverNotAfter: inDays(4000), clientCaNotAfter: new Date(Date.now() + 20) }), clock: () => new Date(), tell: () => undefined, ended: () => (ended += 1) })
  closed.close()
  await sleep(60)
  t.equal(ended, 1, 'nothing after it was closed')
})
