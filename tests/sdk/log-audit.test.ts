import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { formatEntry, formatVerifierKey, makeVerifierKey } from '../../formats/index.ts'
import { auditLog, type AuditFinding, type AuditProgress, type FoundSignature, type LogAuditReport } from '../../sdk/index.ts'
import type { AuditedClient } from '../../sdk/log-audit.ts'
import { bundleTree, rootAt } from '../../sdk/log-rebuild.ts'
import { count } from '../helpers/full-size.ts'
import { entryFor, loggedSignature, memoryLog, problemOf, repeatedLog, type MemoryLog } from '../helpers/memory-log.ts'
import { naiveRoot } from '../helpers/naive-tree.ts'

async function audit(log: MemoryLog, options: Readonly<{ previous?: string; logKey?: string; client?: Partial<AuditedClient>; onProgress?: (progress: AuditProgress) => void }> = {}): Promise<LogAuditReport> {
  const { client, ...rest } = options
  return await auditLog({ client: log.client(client), logKey: log.logKey, ...rest })
}

function kindsOf({ findings }: LogAuditReport): readonly AuditFinding['kind'][] {
  return [...new Set(findings.map(({ kind }) => kind))]
}

/** A log whose database was changed, and whose server noticed nothing. */
function changed(size: number, change: (log: MemoryLog) => void): MemoryLog {
  const log = memoryLog(size)
  change(log)
  return log
}

function withSignature(log: MemoryLog, place: number, members: object): void {
  const { client, signature } = log.found[place]!
  log.found[place] = { client, signature: { ...signature, ...members } }
}

for (const size of [0, 1, 2, 255, 256, 257, 700]) {
  void t.test(`an audit of an untouched log of ${size} entries finds nothing and compares every signature`, async (t) => {
    const log = memoryLog(size)
    const report = await audit(log)
    t.strictSame(report, {
      intact: true, history: 'first', checkpoint: log.checkpoint(), size,
      kinds: { ...(size > 0 ? { start: 1 } : {}), ...(size > 1 ? { signature: size - 1 } : {}) },
      signatures: Math.max(0, size - 1), findings: [], findingCount: 0, denied: [],
    })
  })
}

void t.test('an audit says that the log continues what was seen before, whatever the size was', async (t) => {
  const log = memoryLog(300)
  for (const previousSize of [0, 1, 256, 257, 300]) {
    t.match(await audit(log, { previous: log.checkpoint(previousSize) }), { intact: true, history: 'continued', previousSize, size: 300 }, `${previousSize}`)
  }
})

void t.test('an audit finds that history was rewritten: entries changed, taken out, or the same number of others', async (t) => {
  const before = memoryLog(300)
  const table = [
    ['an old entry was changed', { given: (log: MemoryLog) => void (log.entries[5] = formatEntry(entryFor(loggedSignature(5, { filename: 'other.bff' }), 'bot'))), previous: 200 }],
    ['an entry was taken out and others came behind', { given: (log: MemoryLog) => void log.entries.splice(5, 1), previous: 200 }],
    ['the log became shorter', { given: (log: MemoryLog) => void log.entries.splice(280), previous: 300 }],
    ['the last entry was changed', { given: (log: MemoryLog) => void (log.entries[299] = formatEntry({ kind: 'stop', at: '2026-11-24T09:15:00.000Z' })), previous: 300 }],
    ['nothing is left', { given: (log: MemoryLog) => void log.entries.splice(0), previous: 1 }],
  ] as const
  for (const [name, { given, previous }] of table) {
    const log = changed(300, (one) => {
      given(one)
      one.found.length = 0
    })
    const report = await audit(log, { previous: before.checkpoint(previous), client: { whoami: async () => ({ name: 'nobody' }) as Awaited<ReturnType<AuditedClient['whoami']>> } })
    t.match(report, { intact: false, history: 'rewritten', previousSize: previous }, name)
    t.strictSame(kindsOf(report), ['history-rewritten'], `${name}: the new log is sound in itself`)
  }
})

void t.test('an audit finds what differs between entries, tiles and checkpoint', async (t) => {
  const other = formatEntry(entryFor(loggedSignature(3, { filename: 'x.bff' }), 'bot'))
  const honest = memoryLog(520)
  const tileWith = (path: string, at: number) => async ({ tile }: Readonly<{ tile: string }>) => {
    const bytes = honest.tile(tile)
    if (tile === path) bytes[at]! ^= 1
    return bytes
  }
  const entriesWith = (index: number, bytes: Buffer) => {
    const lying = memoryLog(520)
    lying.entries[index] = bytes
    return async ({ tile }: Readonly<{ tile: string }>) => (tile.startsWith('entries/') ? lying.tile(tile) : honest.tile(tile))
  }
  const table = [
    ['a hash of the leaves', { client: { getTile: tileWith('0/001', 40) }, want: ['tile-differs'] }],
    ['a hash of the upper level', { client: { getTile: tileWith('1/000.p/2', 33) }, want: ['tile-differs'] }],
    ['an entry that is another one', { client: { getTile: entriesWith(3, other) }, want: ['tile-differs', 'root-differs', 'signature-differs'] }],
    ['an entry that is none', { client: { getTile: entriesWith(515, Buffer.from('{}')) }, want: ['entry-malformed', 'tile-differs', 'root-differs', 'signature-differs'] }],
  ] as const
  for (const [name, { client, want }] of table) {
    const found = kindsOf(await audit(honest, { client }))
    for (const kind of want) t.ok(found.includes(kind), `${name}: ${kind} in ${found.join()}`)
  }
  const report = await audit(honest, { client: { getTile: tileWith('0/001', 40) } })
  t.strictSame(report.findings, [{ kind: 'tile-differs', level: 0, index: 257, detail: 'entry 257 is not the one that the tree was made of' }])
})

void t.test('an audit finds a server that answers otherwise the second time', async (t) => {
  for (const [path, index] of [['entries/000', 0], ['entries/001.p/44', 256]] as const) {
    const [honest, lying] = [memoryLog(300), memoryLog(300)]
    lying.entries[index + 3] = formatEntry({ kind: 'stop', at: '2026-11-24T09:15:00.000Z' })
    let asked = 0
    const getTile = async ({ tile }: Readonly<{ tile: string }>) => (tile === path && (asked += 1) > 1 ? lying.tile(tile) : honest.tile(tile))
    const { findings } = await audit(honest, { client: { getTile } })
    t.match(findings, [{ kind: 'entries-differ', index }, { kind: 'signature-differs', index: index + 3, members: ['kind', 'receipt'] }], path)
  }
})

void t.test('an audit compares every member of every signature with its entry', async (t) => {
  const { records: [record] } = loggedSignature(1)
  const table: readonly (readonly [string, object])[] = [
    ['filename', { filename: 'x' }], ['format', { format: 'rpm' }], ['source', { source: 'upload' }], ['sha256', { sha256: '00'.repeat(32) }], ['sizeBytes', { sizeBytes: 1 }], ['keyid', { keyid: '7' }],
    ['algorithm', { algorithm: 'rsa-4096-sha256' }], ['covers', { covers: 'unverified' }], ['signature', { signature: 'QUJD' }], ['at', { signedAt: '2026-11-24T09:15:00.001Z' }],
    ['records', { records: [] }], ['records', { records: [{ ...record, vrmf: '1.0.0.1' }] }], ['records', { records: [{ ...record, keyid: '7' }] }], ['records', { records: [{ ...record, signature: 'QUJD' }] }],
    ['records', { records: [{ ...record, package: '../x' }] }], ['id', { id: '0199c1f4-5f0e-4d1a-9c53-999999999999' }],
  ]
  for (const [member, members] of table) {
    const { findings, signatures } = await audit(changed(20, (log) => withSignature(log, 7, members)))
    t.match(findings, [{ kind: 'signature-differs', index: 12, members: [member] }], member)
    t.equal(findings.length, 1)
    t.equal(signatures, 19)
  }
  const stranger = await audit(changed(20, (log) => void (log.found[7] = { ...log.found[7]!, client: 'stranger' })))
  t.match(stranger.findings, [{ kind: 'signature-differs', members: ['client'] }])
})

void t.test('an audit checks every receipt: entry, path, signature of the log, and that the tree it leads to is one of this log', async (t) => {
  const receiptOf = (log: MemoryLog) => log.found[7]!.signature.receipt
  const foreign = memoryLog(13, { privateKey: generateKeyPairSync('ed25519').privateKey })
  const fork = changed(13, (log) => void (log.entries[2] = formatEntry({ kind: 'stop', at: '2026-11-24T09:15:00.000Z' })))
  const table: readonly (readonly [string, (log: MemoryLog) => object])[] = [
    ['an entry that is not there', (log) => ({ ...receiptOf(log), entry: '{}' })],
    ['a path that leads nowhere', (log) => ({ ...receiptOf(log), path: [] })],
    ['the signature of another key', (log) => ({ ...receiptOf(log), checkpoint: foreign.checkpoint() })],
    ['no checkpoint', (log) => ({ ...receiptOf(log), checkpoint: '' })],
  ]
  for (const [name, receipt] of table) {
    const { findings } = await audit(changed(20, (log) => withSignature(log, 7, { receipt: receipt(log) })))
    t.match(findings, [{ kind: 'signature-differs', index: 12, members: ['receipt'] }], name)
  }
  const { findings } = await audit(changed(20, (log) => withSignature(log, 7, { receipt: fork.receipt(12) })))
  t.match(findings, [{ kind: 'receipt-of-another-history', index: 12 }])
  const later = memoryLog(30)
  t.match(await audit(changed(20, (log) => withSignature(log, 7, { receipt: later.receipt(12) }))), { intact: true }, 'a later tree is left to the path')
})

void t.test('receipts are checked against the tree across bundles, whole and partial, near and far', async (t) => {
  for (const group of [2, 300, 256, 100_000]) t.match(await audit(memoryLog(520, { group })), { intact: true, signatures: 519 }, `${group} together`)
  const log = memoryLog(400)
  const kept = changed(600, (one) => {
    // A receipt that ends at a full bundle far behind its entry.
    withSignature(one, one.found.length - 1, { receipt: one.receipt(1, 512) })
  })
  t.match(await audit(kept), { intact: true })
  t.equal(rootAt({ node: () => t.bailout('no node') as never }, 5, bundleTree(0, [1, 2, 3, 4, 5].map((at) => Buffer.alloc(32, at)))).length, 32)
  t.ok(naiveRoot(log.entries.slice(0, 300)).equals(Buffer.from(log.checkpoint(300).split('\n')[2]!, 'base64')), 'the log of the test is one of RFC 6962')
})

void t.test('an audit says which signatures of this client the catalogue does not have any more', async (t) => {
  const log = changed(300, ({ found }) => void found.splice(0, 3).length)
  const { findings, signatures } = await audit(log)
  // Of the last three one was made for somebody else: that this client need not see.
  t.match(findings.map(({ kind }) => kind), ['signature-missing', 'signature-missing'])
  t.equal(signatures, 296)
  const none = await audit(changed(10, ({ found }) => void (found.length = 0)))
  t.equal(none.findingCount, 6)
  const middle = await audit(changed(300, ({ found }) => void found.splice(100, 1)))
  t.equal(middle.findingCount + middle.signatures, 298 + (middle.findings.length), 'one in the middle')
})

void t.test('an audit leaves what was signed meanwhile to the next one', async (t) => {
  const [earlier, later] = [memoryLog(300), memoryLog(310)]
  t.match(await audit(later, { client: { getCheckpoint: async () => earlier.checkpoint(), getTile: async ({ tile }) => earlier.tile(tile) } }), { intact: true, size: 300, signatures: 299 })
})

void t.test('a checkpoint that the trusted key did not sign is a finding, and what it says about history is looked at all the same', async (t) => {
  const before = memoryLog(50)
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const stranger = memoryLog(60, { privateKey })
  const report = await audit(stranger, { logKey: before.logKey, previous: before.checkpoint() })
  t.match(report.findings[0], { kind: 'checkpoint-untrusted', reason: 'LOG_KEY_UNKNOWN' })
  t.equal(report.history, 'continued')
  const shorter = await audit(memoryLog(40, { privateKey }), { logKey: before.logKey, previous: before.checkpoint() })
  t.equal(shorter.history, 'rewritten')
  const wrong = await audit(before, { logKey: formatVerifierKey(makeVerifierKey('elsewhere.example/log', publicKey)) })
  t.match(wrong, { intact: false, history: 'first' })
  const nonsense = await audit(before, { client: { getCheckpoint: async () => 'nonsense' }, previous: before.checkpoint() })
  t.match(nonsense, { intact: false, history: 'unknown', size: 0, signatures: 0, findings: [{ kind: 'checkpoint-untrusted', reason: 'LOG_NOTE_MALFORMED' }] })
  await t.rejects(audit(before, { logKey: 'nonsense' }), { name: 'LocalFileError', code: 'LOG_KEY_UNUSABLE' })
  await t.rejects(audit(before, { previous: 'nonsense' }), { name: 'FormatError' })
})

void t.test('a log that cannot be read to its end is a finding, anything else ends the audit', async (t) => {
  const log = memoryLog(300)
  const failing = (path: string, error: Error) => async ({ tile }: Readonly<{ tile: string }>) => (tile === path ? Promise.reject(error) : log.tile(tile))
  const previous = log.checkpoint(280)
  for (const code of ['STORE_FAILED', 'TILE_NOT_FOUND', 'INTERNAL'] as const) {
    const report = await audit(log, { previous, client: { getTile: failing('entries/001.p/44', problemOf(code)) } })
    t.match(report, { intact: false, history: 'unknown', kinds: {}, signatures: 0, findings: [{ kind: 'unreadable', reason: code, detail: 'the log cannot be read to its end: it is so' }] })
  }
  t.match(await audit(log, { client: { getTile: async ({ tile }) => log.tile(tile).subarray(1) } }), { findings: [{ kind: 'unreadable', reason: 'LOG_BUNDLE_MALFORMED' }] })
  t.match(await audit(log, { previous, client: { getCheckpoint: async () => Promise.reject(problemOf('STORE_FAILED')) } }), { history: 'unknown', findings: [{ kind: 'unreadable' }] })
  t.match(await audit(log, { client: { auditLog: async () => Promise.reject(problemOf('STORE_FAILED')) } }), { findings: [{ kind: 'unreadable' }] })
  await t.rejects(audit(log, { client: { getTile: failing('entries/001.p/44', problemOf('OPERATION_DENIED')) } }), { code: 'OPERATION_DENIED' })
  await t.rejects(audit(log, { client: { getTile: failing('0/000', new TypeError('x')) } }), TypeError)
  await t.rejects(audit(log, { client: { auditLog: async () => Promise.reject(problemOf('SERVER_BUSY')) } }), { code: 'SERVER_BUSY' })
})

void t.test('what cannot be read the second time is a finding, and the rest of the audit is done', async (t) => {
  const log = memoryLog(300)
  let asked = 0
  const getTile = async ({ tile }: Readonly<{ tile: string }>) => (tile === 'entries/000' && (asked += 1) > 1 ? Promise.reject(problemOf('STORE_FAILED')) : log.tile(tile))
  t.match(await audit(log, { client: { getTile } }), { intact: false, history: 'first', signatures: 0, findings: [{ kind: 'unreadable', reason: 'STORE_FAILED' }] })
})

const START = formatEntry({ kind: 'start', at: '2026-11-24T09:15:00.000Z', version: '1.0.0' })

void t.test('a thousand findings are kept, and that history was rewritten however many there are', async (t) => {
  const log = repeatedLog(START, 1500)
  const getTile = async ({ tile }: Readonly<{ tile: string }>) => (tile.startsWith('0/') ? Buffer.alloc(log.tile(tile).length) : log.tile(tile))
  t.match(await audit(log, { client: { getTile } }), { intact: false, findings: { length: 1000 }, findingCount: 1500 })
  const { findings, findingCount } = await audit(log, { previous: memoryLog(5).checkpoint(), client: { getTile } })
  t.strictSame([findings.length, findingCount, findings.at(-1)?.kind], [1001, 1501, 'history-rewritten'])
})

void t.test('what the server finds in its database is a finding, and what the client may not ask is said', async (t) => {
  const log = memoryLog(20)
  log.audit = { checkpoint: '', intact: false, findings: [{ table: 'signatures', detail: 'a row was changed' }] }
  t.strictSame((await audit(log)).findings, [{ kind: 'database', table: 'signatures', detail: 'signatures: a row was changed' }])
  const denied = async () => Promise.reject(problemOf('OPERATION_DENIED'))
  const failing = async function* (error: Error): AsyncGenerator<FoundSignature, void, undefined> {
    if (error instanceof Error) throw error
    yield* log.found
  }
  const findAllSignatures = () => failing(problemOf('OPERATION_DENIED'))
  t.match(await audit(log, { client: { auditLog: denied, findAllSignatures } }), { intact: true, signatures: 0, denied: ['findSignatures', 'auditLog'] })
  await t.rejects(audit(log, { client: { findAllSignatures: () => failing(new TypeError('x')) } }), TypeError)
})

void t.test('an audit reports its progress', async (t) => {
  const seen: AuditProgress[] = []
  await audit(repeatedLog(START, 1500), { onProgress: (progress) => seen.push(progress) })
  t.strictSame(seen.map(({ stage, done, total }) => `${stage} ${done}/${total}`), [256, 512, 768, 1024, 1280, 1500].map((done) => `entries ${done}/1500`).concat('database 0/1'))
  await audit(changed(2, (one) => void (one.entries[1] = one.entries[0]!)), { onProgress: (progress) => seen.push(progress) })
  t.ok(seen.some(({ stage, done, total }) => stage === 'signatures' && done === 1 && total === 0), 'a signature that stands in no log')
  await audit(memoryLog(3), { onProgress: (progress) => seen.push(progress) })
  t.ok(seen.some(({ stage, done, total }) => stage === 'signatures' && done === 2 && total === 2))
})

void t.test('a long log is audited in flat memory', async (t) => {
  const size = count(5000, 200_000)
  const log = repeatedLog(START, size)
  const before = process.memoryUsage().rss
  t.match(await auditLog({ client: log.client(), logKey: log.logKey }), { intact: true, size, kinds: { start: size } })
  t.ok(process.memoryUsage().rss - before < 150 * 1024 * 1024)
})
