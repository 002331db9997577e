import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { watchExpiry, type ExpiryNotice } from '../../../server/keys/expiry-watch.ts'
import type { Keyring } from '../../../server/keys/key.ts'
import { daysUntil } from '../../../server/identity/notice.ts'
import { endOf, isInUse, lifeOf, noticeDays, readLife, signingFault, type KeyLife } from '../../../server/keys/life.ts'
import { issueSelfSigned } from '../../helpers/self-signed.ts'
import { openedKey, rsaKeyPair } from '../../helpers/signables.ts'

const pair = rsaKeyPair()
const NOW = new Date('2026-11-24T09:15:00.000Z')
const at = (days: number, ms = 0) => new Date(NOW.getTime() + days * 86_400_000 + ms)
const keyWith = (life: KeyLife) => ({ ...openedKey('file', pair), life })

void t.test('the life of a key is read from its configuration and its certificate', async (t) => {
  t.strictSame(readLife({}), { state: 'active' })
  t.strictSame(lifeOf(openedKey('file', pair)), { state: 'active' })
  const config = { state: 'retiring', notBefore: '2026-01-01T00:00:00Z', notAfter: '2027-01-01T00:00:00Z', successor: '1002' } as const
  const { certificateNotAfter, ...rest } = readLife(config, await issueSelfSigned(pair))
  t.strictSame(rest, { state: 'retiring', notBefore: new Date('2026-01-01'), notAfter: new Date('2027-01-01'), successor: '1002' })
  t.strictSame(readLife({ state: 'revoked', revokedAt: '2026-01-01T00:00:00Z', revocationReason: 'lost' }), { state: 'revoked', revokedAt: new Date('2026-01-01'), revocationReason: 'lost' })
  t.ok(certificateNotAfter instanceof Date && certificateNotAfter > NOW)
})

void t.test('a key signs from its beginning to its end, unless its state says no', async (t) => {
  const rows: readonly (readonly [KeyLife, string?, string?])[] = [
    [{ state: 'active' }], [{ state: 'retiring', successor: '1002' }], [{ state: 'active', notBefore: NOW, notAfter: at(0, 1) }],
    [{ state: 'active', notBefore: at(0, 1) }, 'KEY_NOT_YET_VALID', 'key 1001 begins at 2026-11-24T09:15:00.001Z'],
    [{ state: 'active', notAfter: NOW, successor: '1002' }, 'KEY_EXPIRED', 'key 1001 ended at 2026-11-24T09:15:00.000Z; its successor is 1002'],
    [{ state: 'retired' }, 'KEY_RETIRED', 'key 1001 is retired'],
    [{ state: 'retired', notAfter: at(-1), successor: '1002' }, 'KEY_RETIRED', 'key 1001 is retired; its successor is 1002'],
    [{ state: 'revoked', notBefore: at(1) }, 'KEY_REVOKED', 'key 1001 is revoked'],
    [{ state: 'active', certificateNotAfter: at(-1) }],
  ]
  for (const [life, code, message] of rows) {
    const fault = signingFault(keyWith(life), NOW)
    t.strictSame([fault?.code, fault?.message], [code, message])
    t.equal(isInUse(keyWith(life)), life.state === 'active' || life.state === 'retiring')
  }
})

void t.test('the first end counts, of the key or its certificate, and notices are due 90, 30, 7 and no days before', async (t) => {
  t.equal(endOf(keyWith({ state: 'active' })), undefined)
  t.equal(endOf(keyWith({ state: 'revoked', notAfter: at(1) })), undefined, 'one that is not in use')
  t.strictSame(endOf(keyWith({ state: 'active', notAfter: at(2), certificateNotAfter: at(1) })), { of: 'certificate', at: at(1) })
  t.strictSame(endOf(keyWith({ state: 'retiring', notAfter: at(1), certificateNotAfter: at(2) })), { of: 'key', at: at(1) })
  for (const [days, ms, want] of [[91, 0, undefined], [90, 1, undefined], [90, 0, 90], [30, 1, 90], [30, 0, 30], [7, 1, 30], [7, 0, 7], [0, 1, 7], [0, 0, 0], [-100, 0, 0]] as const) {
    t.equal(noticeDays({ of: 'key', at: at(days, ms) }, NOW), want, `${days} days and ${ms} ms`)
  }
  t.strictSame([daysUntil(at(7), NOW), daysUntil(at(7, -1), NOW)], [7, 6])
})

void t.test('watchExpiry tells of each key once for each notice that becomes due', async (t) => {
  const keyring: Keyring = new Map([
    ['1', { ...keyWith({ state: 'active', notAfter: at(31), successor: '2' }), keyid: '1' }], ['2', { ...keyWith({ state: 'active', notAfter: at(400) }), keyid: '2' }],
    ['3', { ...keyWith({ state: 'active' }), keyid: '3' }], ['4', { ...keyWith({ state: 'active', certificateNotAfter: at(-1) }), keyid: '4' }],
  ])
  const told: ExpiryNotice[] = []
  let now = NOW
  const watch = watchExpiry({ keyring: () => keyring, clock: () => now, tell: (notice) => told.push(notice), everyMs: 1 })
  t.teardown(() => watch.close())
  const first = { keyid: '1', endOf: 'key', endsAt: at(31).toISOString(), daysLeft: 31, notice: 90, successor: '2' }
  const ended = { keyid: '4', endOf: 'certificate', endsAt: at(-1).toISOString(), daysLeft: 0, notice: 0 }
  t.strictSame(told, [first, ended], 'at once')
  await sleep(20)
  t.equal(told.length, 2, 'and not again')
  now = at(1)
  while (told.length < 3) await sleep(1)
  t.strictSame(told[2], { ...first, daysLeft: 30, notice: 30 })
  watch.close()
  now = at(30)
  await sleep(20)
  t.equal(told.length, 3, 'nothing after it was closed')
  watchExpiry({ keyring: () => new Map(), clock: () => now, tell: () => t.fail('there is nothing to tell') }).close()
})
