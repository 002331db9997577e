import { readFileSync } from 'node:fs'
import t from 'tap'
import { ACCEPTANCE, acceptanceOf } from '../../../server/keys/acceptance.ts'
import { SIGNING_ALGORITHMS } from '../../../server/schemas/key.ts'

const verdictsOf = (key: Parameters<typeof acceptanceOf>[0]) => Object.fromEntries(Object.entries(acceptanceOf(key)).map(([target, { verdict }]) => [target, verdict]))
const INSTALLED = '/etc/security/certificates/x.pem'

void t.test('docs/acceptance.md has the table of the server', async (t) => {
  const page = readFileSync('docs/acceptance.md', 'utf8')
  t.strictSame(Object.keys(ACCEPTANCE), [...SIGNING_ALGORITHMS])
  const columns = /^\| algorithm \| (.+) \|$/m.exec(page)?.[1]?.split(' | ').map((cell) => cell.replaceAll('`', '')) ?? []
  for (const algorithm of SIGNING_ALGORITHMS) {
    const cells = new RegExp(`^\\| \`${algorithm}\` \\| (.+) \\|$`, 'm').exec(page)?.[1]?.split(' | ') ?? []
    t.strictSame(Object.fromEntries(columns.map((column, index) => [column, cells[index]])), verdictsOf({ algorithm, covers: 'file', installedPath: INSTALLED }), algorithm)
  }
})

void t.test('what else is known of a key changes the verdict', async (t) => {
  const rsa = { algorithm: 'rsa-2048-sha256', covers: 'file' } as const
  t.match(verdictsOf(rsa), { 'aix-7.3-dsb': 'no', 'aix-7.2-tl4-dsb': 'no', 'openssl-1.0.2': 'yes' }, 'not installed anywhere')
  t.match(verdictsOf({ ...rsa, installedPath: '/opt/keys/x.pem' }), { 'aix-7.3-dsb': 'unknown', 'openssl-1.0.2': 'yes' }, 'installed elsewhere')
  t.match(verdictsOf({ ...rsa, covers: 'unverified', installedPath: INSTALLED }), { 'aix-7.3-dsb': 'unknown', 'openssl-1.0.2': 'unknown' }, 'nobody knows what is signed')
  t.strictSame(acceptanceOf({ algorithm: 'ed25519', covers: 'file' }), ACCEPTANCE.ed25519, 'no block is made anyway')
})
