import t from 'tap'
import { createRefusalLog, type Refusal } from '../../../server/http/refusal-log.ts'
import { networkOf } from '../../../server/http/network-of.ts'
import { eventually } from '../../helpers/processes.ts'

void t.test('alike refusals are one line, and one more with the number of the others', async (t) => {
  const lines: unknown[] = []
  const log = { warn: (facts: object, message: string) => void lines.push({ ...facts, message }) } as unknown as Refusal['log']
  const refusals = createRefusalLog({ windowMs: 30, kinds: 3 })
  const refuse = (who: string, why: string, port = 1) => refusals.write({ log, message: 'refused connection', who, why, facts: { address: who, port, reason: why } })
  for (const port of [1, 2, 3]) refuse('a', 'EXPIRED', port)
  refuse('b', 'EXPIRED')
  refuse('a', 'REVOKED')
  t.strictSame(lines.splice(0), [
    { address: 'a', port: 1, reason: 'EXPIRED', message: 'refused connection' },
    { address: 'b', port: 1, reason: 'EXPIRED', message: 'refused connection' },
    { address: 'a', port: 1, reason: 'REVOKED', message: 'refused connection' },
  ])
  refuse('c', 'EXPIRED')
  t.strictSame(lines.splice(0), [
    { address: 'a', port: 1, reason: 'EXPIRED', count: 2, message: 'refused connection, more of the same' },
    { address: 'c', port: 1, reason: 'EXPIRED', message: 'refused connection' },
  ], 'the oldest of too many kinds ends early')
  refuse('c', 'EXPIRED')
  await eventually(() => lines.length === 1)
  t.match(lines.splice(0), [{ address: 'c', count: 1 }])
  refuse('c', 'EXPIRED')
  refuse('c', 'EXPIRED')
  await refusals.close()
  t.match(lines, [{ address: 'c' }, { address: 'c', count: 1 }])
})

void t.test('what one host has for itself', async (t) => {
  const table: readonly (readonly [address: string | undefined, network: string])[] = [
    ['192.0.2.7', '192.0.2.7'], ['::ffff:192.0.2.7', '192.0.2.7'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'], ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'], ['::1', '0:0:0:0::/64'], ['fe80::1%eth0', 'fe80:0:0:0::/64'], ['2001:db8::', '2001:db8:0:0::/64'], [undefined, 'nowhere'],
  ]
  for (const [address, network] of table) t.equal(networkOf(address), network, String(address))
})
