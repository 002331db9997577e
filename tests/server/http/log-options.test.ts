import pino from 'pino'
import t from 'tap'
import { logOptions } from '../../../server/http/log.ts'

/** The line that these facts make. */
function lineOf(facts: object): Readonly<Record<string, unknown>> {
  let line = ''
  pino(logOptions('info'), { write: (text: string) => void (line = text) }).info(facts, 'said')
  return JSON.parse(line) as Record<string, unknown>
}

t.test('a line never shows the value of a secret member, also of an error and of what is inside', async (t) => {
  for (const name of ['passphrase', 'privateKey', 'pin', 'passin', 'authorization', 'cookie']) {
    const secret = { [name]: 's3cret', other: 'shown' }
    for (const facts of [secret, { facts: secret }, { facts: { more: secret } }, { facts: { more: { most: secret } } }, { list: [secret] }, { err: Object.assign(new Error('failed'), secret) }, { err: Object.assign(new Error('failed'), { facts: secret }) }]) {
      const text = JSON.stringify(lineOf(facts))
      t.notMatch(text, /s3cret/, text)
      t.match(text, /\[Redacted\].*shown|shown.*\[Redacted\]/, text)
    }
  }
})

t.test('a line without secrets is logged as it is, and what was logged stays as it was', async (t) => {
  const facts = { operation: 'sign', facts: { keyid: '1001', none: null }, fileset: ['PkgA.rte'] }
  t.match(lineOf(facts), { level: 'info', msg: 'said', ...facts })
  t.strictSame(lineOf({ list: [{ pin: '1234' }, 'shown'] })['list'], [{ pin: '[Redacted]' }, 'shown'])
  const secret = { facts: { pin: '1234' } }
  lineOf(secret)
  t.strictSame(secret, { facts: { pin: '1234' } })
  t.match(lineOf({ err: new TypeError('a fault') }), { err: { type: 'TypeError', message: 'a fault', stack: /TypeError: a fault/ } })
})
