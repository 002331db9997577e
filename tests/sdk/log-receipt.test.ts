import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { formatEntry, formatProof, formatVerifierKey, hashLeaf, makeVerifierKey, signCheckpoint } from '../../formats/index.ts'
import { readLogKey, verifyProof, verifyReceipt, type Signature } from '../../sdk/index.ts'
import { entryFor, loggedSignature, memoryLog, ORIGIN } from '../helpers/memory-log.ts'

const log = memoryLog(40)
const { signature } = log.found[20]!

void t.test('a receipt proves for whom, when and with which key a signature was made, and where it stands', async (t) => {
  t.match(verifyReceipt(signature, log.logKey), { valid: true, index: 19, treeSize: 21, origin: ORIGIN, entry: { kind: 'signature', client: 'bot', at: '2026-11-24T09:15:00.000Z', keyid: '1001' } })
  t.match(verifyReceipt(signature, `${log.logKey}\n`), { valid: true }, 'the line end of a file is no part of the key')
})

void t.test('a receipt of something else proves nothing, and it is said why', async (t) => {
  const other = generateKeyPairSync('ed25519')
  const start: Signature = { ...signature, receipt: log.receipt(0) }
  const { receipt } = signature
  const table: readonly (readonly [string, { given: Signature; want: object }])[] = [
    ['another file', { given: { ...signature, sha256: '00'.repeat(32) }, want: { reason: 'LOG_ENTRY_DIFFERS', detail: 'the entry in the log is another one in sha256' } }],
    ['another level', { given: { ...signature, records: [{ ...signature.records[0]!, vrmf: '9.9.9.9' }] }, want: { reason: 'LOG_ENTRY_DIFFERS', detail: 'the entry in the log is another one in records' } }],
    ['the entry of another signature', { given: { ...signature, receipt: log.receipt(4) }, want: { reason: 'LOG_ENTRY_DIFFERS' } }],
    ['the start of a server', { given: start, want: { reason: 'LOG_ENTRY_DIFFERS', detail: 'the entry in the log is another one in kind' } }],
    ['a changed entry', { given: { ...signature, receipt: { ...receipt, entry: receipt.entry.replace('bot', 'bob') } }, want: { reason: 'LOG_PROOF_WRONG' } }],
    ['another index', { given: { ...signature, receipt: { ...receipt, index: 18 } }, want: { reason: 'LOG_PROOF_WRONG' } }],
    ['no checkpoint', { given: { ...signature, receipt: { ...receipt, checkpoint: '' } }, want: { reason: 'LOG_NOTE_MALFORMED' } }],
  ]
  for (const [name, { given, want }] of table) t.match(verifyReceipt(given, log.logKey), { valid: false, ...want }, name)
  t.match(verifyReceipt(signature, formatVerifierKey(makeVerifierKey(ORIGIN, other.publicKey))), { valid: false, reason: 'LOG_KEY_UNKNOWN' })
})

void t.test('a signature that was made for the same content under another name is proven, and the entry has the first name', async (t) => {
  t.match(verifyReceipt({ ...signature, filename: 'again.bff', replayed: true }, log.logKey), { valid: true, entry: { filename: signature.filename } })
  t.match(verifyReceipt({ ...signature, filename: 'again.bff' }, log.logKey), { valid: false, detail: 'the entry in the log is another one in filename' })
})

void t.test('a receipt covers records that are too long for an entry by their digest, and what replaces an earlier signature', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const logKey = formatVerifierKey(makeVerifierKey(ORIGIN, publicKey))
  const record = loggedSignature(1).records[0]!
  const made = loggedSignature(1, { records: Array.from({ length: 1000 }, (_, at) => ({ ...record, fileset: `PkgA.part${at}` })) })
  const entry = formatEntry({ ...entryFor(made, 'bot'), replaces: loggedSignature(2).id })
  const checkpoint = signCheckpoint({ origin: ORIGIN, size: 1, root: hashLeaf(entry), extensions: [] }, privateKey)
  const long: Signature = { ...made, receipt: { index: 0, entry: entry.toString(), path: [], checkpoint } }
  t.match(verifyReceipt(long, logKey), { valid: true, entry: { recordCount: 1000, replaces: loggedSignature(2).id } })
  t.match(verifyReceipt({ ...long, records: long.records.slice(1) }, logKey), { valid: false, detail: /in records$/ })
  t.match(verifyReceipt({ ...long, records: long.records.map((one) => ({ ...one, fileset: 'a/b' })) }, logKey), { valid: false, detail: /in records$/ })
})

void t.test('a proof shows any entry of the log', async (t) => {
  t.match(verifyProof(log.proof(0), log.logKey), { valid: true, index: 0, treeSize: 40, origin: ORIGIN, entry: { kind: 'start' } })
  t.match(verifyProof(Buffer.from(log.proof(7, 9)), log.logKey), { valid: true, index: 7, treeSize: 9, entry: { kind: 'signature' } })
  t.match(verifyProof(log.proof(7).replace('index 7', 'index 6'), log.logKey), { valid: false, reason: 'LOG_PROOF_WRONG' })
  t.match(verifyProof('nonsense', log.logKey), { valid: false, reason: 'LOG_PROOF_MALFORMED' })
  const nonsense = Buffer.from('{}')
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signed = formatProof({ extra: nonsense, index: 0, path: [], checkpoint: signCheckpoint({ origin: ORIGIN, size: 1, root: hashLeaf(nonsense), extensions: [] }, privateKey) })
  t.match(verifyProof(signed, formatVerifierKey(makeVerifierKey(ORIGIN, publicKey))), { valid: false, reason: 'LOG_ENTRY_MALFORMED' })
})

void t.test('what is no key of a log is refused before anything is looked at', async (t) => {
  for (const text of ['', 'nonsense', log.logKey.replace('+', ' ')]) t.throws(() => readLogKey(text), { name: 'LocalFileError', code: 'LOG_KEY_UNUSABLE' })
  t.throws(() => verifyReceipt(signature, ''), { code: 'LOG_KEY_UNUSABLE' })
  t.throws(() => verifyProof('', ''), { code: 'LOG_KEY_UNUSABLE' })
  t.throws(() => verifyReceipt({ ...signature, receipt: undefined } as unknown as Signature, log.logKey), TypeError, 'a mistake of the programmer is no proof that fails')
})
