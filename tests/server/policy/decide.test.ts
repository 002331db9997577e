import * as fc from 'fast-check'
import t from 'tap'
import type { ClientConfig } from '../../../server/config/schema.ts'
import type { ClientIdentity } from '../../../server/identity/client.ts'
import { decide, type Resource } from '../../../server/policy/decide.ts'
import { OPERATIONS } from '../../../server/schemas/whoami.ts'

const NUM_RUNS = 500 * Number(process.env['TEST_FULL_FACTOR'] ?? 1)
const SPKI = 'ab'.repeat(32)
const AT = new Date('2026-11-24T09:15:00Z')
const bot: ClientConfig = { name: 'bot', match: { san: 'URI:urn:example:bot' }, allow: ['sign'], keys: ['1001'], roots: ['nim'], digestOnly: false, resign: false, sees: 'own' }
const byKey: ClientConfig = { ...bot, name: 'by-key', match: { spkiSha256: SPKI } }
const identity = (sans: readonly string[], spkiSha256 = '00'.repeat(32)): ClientIdentity => ({ sans, spkiSha256, serial: '01', notAfter: new Date(0) })
const known = identity(['DNS:x', 'URI:urn:example:bot'])

void t.test('a client is known by an exact SAN or by its key', async (t) => {
  for (const sans of [['URI:urn:example:bo'], ['URI:urn:example:bot2'], ['URI:URN:example:bot'], ['urn:example:bot'], ['URI:urn:example:bot, DNS:x'], ['DNS:urn:example:bot'], []]) {
    t.strictSame(decide([bot], identity(sans), { kind: 'listed', at: AT }), { kind: 'deny', reason: 'CLIENT_UNKNOWN' }, sans.join())
  }
  t.strictSame(decide([bot], known, { kind: 'listed', at: AT }), { kind: 'allow', client: bot })
  t.strictSame(decide([byKey], identity([], SPKI), { kind: 'listed', at: AT }), { kind: 'allow', client: byKey })
  t.match(decide([byKey], identity([], SPKI.toUpperCase()), { kind: 'listed', at: AT }), { kind: 'deny' })
  t.match(decide([bot, byKey], identity(['URI:urn:example:bot'], SPKI), { kind: 'listed', at: AT }), { client: { name: 'bot' } }, 'the first of several')
  t.match(decide([byKey, bot], identity(['URI:urn:example:bot'], SPKI), { kind: 'listed', at: AT }), { client: { name: 'by-key' } })
  t.match(decide([bot], undefined, { kind: 'listed', at: AT }), { kind: 'deny', reason: 'CLIENT_UNKNOWN' })
})

void t.test('what a list names is allowed, everything else is denied with its reason', async (t) => {
  const table: readonly [Resource, string][] = [
    [{ kind: 'operation', operation: 'sign', at: AT }, 'allow'], [{ kind: 'operation', operation: 'whoami', at: AT }, 'allow'], [{ kind: 'operation', operation: 'listFiles', at: AT }, 'OPERATION_DENIED'],
    [{ kind: 'root', root: 'nim' }, 'allow'], [{ kind: 'root', root: 'NIM' }, 'PATH_OUTSIDE_ROOTS'], [{ kind: 'root', root: '' }, 'PATH_OUTSIDE_ROOTS'],
    [{ kind: 'key', keyid: '1001' }, 'allow'], [{ kind: 'key', keyid: '01001' }, 'KEY_NOT_AVAILABLE'], [{ kind: 'key', keyid: '100' }, 'KEY_NOT_AVAILABLE'],
    [{ kind: 'digest' }, 'DIGEST_NOT_ALLOWED'],
    [{ kind: 'signaturesOf', client: 'bot' }, 'allow'], [{ kind: 'signaturesOf', client: 'Bot' }, 'SIGNATURE_NOT_FOUND'], [{ kind: 'signaturesOf', client: '' }, 'SIGNATURE_NOT_FOUND'],
  ]
  for (const [resource, want] of table) {
    const decision = decide([bot], known, resource)
    t.equal(decision.kind === 'allow' ? 'allow' : decision.reason, want, JSON.stringify(resource))
    t.equal(decision.client?.name, 'bot')
  }
})

void t.test('a digest alone, and the signatures of others, need their switch', async (t) => {
  const trusted: ClientConfig = { ...bot, digestOnly: true, sees: 'all' }
  t.strictSame(decide([trusted], known, { kind: 'digest' }), { kind: 'allow', client: trusted })
  t.strictSame(decide([trusted], known, { kind: 'signaturesOf', client: 'somebody else' }), { kind: 'allow', client: trusted })
})

const text = fc.constantFrom('1', '1001', 'nim', '', '*', '__proto__', 'whoami')
const resource: fc.Arbitrary<Resource> = fc.oneof(
  fc.record({ kind: fc.constant('operation' as const), operation: fc.constantFrom(...OPERATIONS), at: fc.constant(AT) }),
  fc.record({ kind: fc.constant('root' as const), root: text }),
  fc.record({ kind: fc.constant('key' as const), keyid: text }),
  fc.record({ kind: fc.constant('digest' as const) }),
  fc.record({ kind: fc.constant('signaturesOf' as const), client: text }),
)

void t.test('an empty list denies, whatever is asked for', async () => {
  const empty: ClientConfig = { ...bot, allow: [], keys: [], roots: [] }
  fc.assert(fc.property(resource, (wanted) => {
    const isOwn = (wanted.kind === 'operation' && wanted.operation === 'whoami') || (wanted.kind === 'signaturesOf' && wanted.client === 'bot')
    return decide([], known, wanted).kind === 'deny' && (decide([empty], known, wanted).kind === 'allow') === isOwn
  }), { numRuns: NUM_RUNS })
})

void t.test('nobody is allowed what is not in the lists of the one client that matches', async () => {
  const client = fc.record({ name: text, match: fc.oneof(fc.record({ san: text }), fc.record({ spkiSha256: text })), allow: fc.subarray([...OPERATIONS]), keys: fc.array(text), roots: fc.array(text), digestOnly: fc.boolean(), resign: fc.boolean(), sees: fc.constantFrom('own' as const, 'all' as const) })
  fc.assert(fc.property(fc.array(client), fc.record({ sans: fc.array(text), spkiSha256: text }), resource, (policy, { sans, spkiSha256 }, wanted) => {
    const decision = decide(policy, identity(sans, spkiSha256), wanted)
    const first = policy.find(({ match }) => ('san' in match ? sans.includes(match.san) : match.spkiSha256 === spkiSha256))
    if (decision.client !== first) return false
    if (decision.kind === 'deny') return true
    switch (wanted.kind) {
      case 'listed':
        return true
      case 'operation':
        return wanted.operation === 'whoami' || decision.client.allow.includes(wanted.operation)
      case 'root':
        return decision.client.roots.includes(wanted.root)
      case 'key':
        return decision.client.keys.includes(wanted.keyid)
      case 'digest':
        return decision.client.digestOnly
      case 'resign':
        return decision.client.resign
      case 'signaturesOf':
        return decision.client.sees === 'all' || decision.client.name === wanted.client
      case 'size':
      case 'format':
      case 'filesets':
        return true
    }
  }), { numRuns: NUM_RUNS })
})
