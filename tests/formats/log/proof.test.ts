import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { signCheckpoint } from '../../../formats/log/checkpoint.ts'
import { formatEntry, parseEntry } from '../../../formats/log/entry.ts'
import { appendLeaves, emptyRange, hashLeaf, rangeRoot } from '../../../formats/log/merkle.ts'
import { formatProof, parseProof, verifyProof } from '../../../formats/log/proof.ts'
import type { LogProof } from '../../../formats/log/proof.ts'
import { makeVerifierKey, parseVerifierKey } from '../../../formats/log/verifier-key.ts'
import { naiveInclusion } from '../../helpers/naive-tree.ts'

// The example of c2sp.org/tlog-proof, with the signatures that it leaves out taken from the one of c2sp.org/tlog-checkpoint.
const EXAMPLE = `c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

— example.com/fancylog Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`

const ORIGIN = 'signing.example/log'
const { privateKey } = generateKeyPairSync('ed25519')
const trust = { keys: [makeVerifierKey(ORIGIN, privateKey)] } as const
const entries = Array.from({ length: 11 }, (_, index) => formatEntry({ kind: 'start', at: '2026-11-24T09:15:00.000Z', version: `1.0.${index}` }))
const root = rangeRoot(appendLeaves(emptyRange(), entries.map(hashLeaf)).range)
const checkpoint = signCheckpoint({ origin: ORIGIN, size: entries.length, root, extensions: [] }, privateKey)

function proofOf(index: number): LogProof {
  return { extra: entries[index] as Buffer, index, path: naiveInclusion(index, entries), checkpoint }
}

void t.test('the proof of the specification reads and prints back', async (t) => {
  const proof = parseProof(EXAMPLE)
  t.equal(proof.index, 73_894)
  t.equal(proof.path.length, 5)
  t.match(proof.extra?.toString('latin1'), /^age-v1\.2\.1-darwin-arm64\.tar\.gz/)
  t.ok(proof.checkpoint.startsWith('example.com/fancylog\n109482\n'))
  t.equal(formatProof(proof), EXAMPLE)
  const bare = EXAMPLE.replace(/^extra .*\n/m, '')
  t.notOk('extra' in parseProof(Buffer.from(bare)))
  t.equal(formatProof(parseProof(bare)), bare)
})

void t.test('the proof on the page about the log verifies with the key on that page, and proves the entry on it', async (t) => {
  const page = readFileSync(new URL('../../../docs/formats/log.md', import.meta.url), 'utf8')
  const blocks = [...page.matchAll(/^```[a-z]*\n(.*?)^```$/gms)].map(([, block = '']) => block)
  const find = (start: string): string => blocks.find((block) => block.startsWith(start)) ?? ''
  const proof = parseProof(find('c2sp.org/tlog-proof@v1\n'))
  const key = parseVerifierKey(find('signing.example/log+').trimEnd())
  const { entry, checkpoint: { size } } = verifyProof({ proof, trust: { keys: [key] } })
  t.equal(`${entry.toString()}\n`, find('{"at"'))
  t.match(parseEntry(entry), { kind: 'start' })
  t.equal(proof.checkpoint, find('signing.example/log\n'))
  t.equal(size, 3)
})

void t.test('each entry of a log is proven by its proof, alone or with the entry at hand', async (t) => {
  for (const [index, entry] of entries.entries()) {
    const text = formatProof(proofOf(index))
    const proof = parseProof(text)
    const proven = verifyProof({ proof, trust })
    t.match(proven, { index, checkpoint: { origin: ORIGIN, size: 11 } })
    t.ok(proven.entry.equals(entry))
    t.ok(verifyProof({ proof, trust, entry: new Uint8Array(entry) }).entry.equals(entry))
    const { extra: _, ...bare } = proof
    t.ok(verifyProof({ proof: bare, trust, entry }).entry.equals(entry))
    t.throws(() => verifyProof({ proof: bare, trust }), { code: 'LOG_PROOF_WRONG' })
  }
})

void t.test('the proof of the only entry has no path', async (t) => {
  const [entry] = entries as [Buffer]
  const proof = { index: 0, path: [], checkpoint: signCheckpoint({ origin: ORIGIN, size: 1, root: hashLeaf(entry), extensions: [] }, privateKey) }
  t.match(formatProof(proof), /^c2sp\.org\/tlog-proof@v1\nindex 0\n\nsigning\.example\/log\n1\n/)
  t.strictSame(parseProof(formatProof(proof)), proof)
  t.ok(verifyProof({ proof, trust, entry }).entry.equals(entry))
})

void t.test('a proof of another entry, place, log or key is refused', async (t) => {
  const proof = proofOf(5)
  const { extra: _, ...bare } = proof
  const other = generateKeyPairSync('ed25519').privateKey
  const entry = entries[6] as Buffer
  const forged = signCheckpoint({ origin: ORIGIN, size: 11, root: Buffer.alloc(32), extensions: [] }, other)
  const refused: readonly (readonly [string, string, Parameters<typeof verifyProof>[0]])[] = [
    ['another entry', 'LOG_PROOF_WRONG', { proof: bare, trust, entry }],
    ['an entry other than the one it brings', 'LOG_PROOF_WRONG', { proof, trust, entry }],
    ['another entry brought along', 'LOG_PROOF_WRONG', { proof: { ...proof, extra: entry }, trust }],
    ['another index', 'LOG_PROOF_WRONG', { proof: { ...proof, index: 6 }, trust }],
    ['an index outside', 'LOG_PROOF_WRONG', { proof: { ...proof, index: 11 }, trust }],
    ['a longer path', 'LOG_PROOF_WRONG', { proof: { ...proof, path: [...proof.path, root] }, trust }],
    ['a shorter path', 'LOG_PROOF_WRONG', { proof: { ...proof, path: proof.path.slice(1) }, trust }],
    ['another log', 'LOG_ORIGIN_WRONG', { proof, trust: { ...trust, origin: 'other.example' } }],
    ['another key', 'LOG_KEY_UNKNOWN', { proof, trust: { keys: [makeVerifierKey(ORIGIN, other)] } }],
    ['a forged checkpoint', 'LOG_KEY_UNKNOWN', { proof: { ...proof, checkpoint: forged }, trust }],
    ['a checkpoint with another size', 'LOG_SIGNATURE_WRONG', { proof: { ...proof, checkpoint: checkpoint.replace('\n11\n', '\n12\n') }, trust }],
    ['no checkpoint', 'LOG_NOTE_MALFORMED', { proof: { ...proof, checkpoint: '' }, trust }],
  ]
  for (const [name, code, claim] of refused) t.throws(() => verifyProof(claim), { name: 'FormatError', code }, name)
})

void t.test('what is no proof is refused', async (t) => {
  const text = formatProof(proofOf(5))
  const hash = Buffer.alloc(32).toString('base64')
  const wrong: readonly (readonly [string, string])[] = [
    ['nothing', ''], ['an empty line', '\n\n'], ['no header', text.slice(text.indexOf('\n') + 1)], ['another version', text.replace('@v1', '@v2')], ['a space behind the header', text.replace('@v1', '@v1 ')],
    ['CRLF', text.replaceAll('\n', '\r\n')], ['a line before', `\n${text}`], ['no index', text.replace(/^index.*\n/m, '')], ['two indices', text.replace(/^(index.*\n)/m, '$1$1')], ['a leading zero', text.replace('index 5', 'index 05')],
    ['a sign', text.replace('index 5', 'index +5')], ['two spaces', text.replace('index 5', 'index  5')], ['an index beyond 2^53', text.replace('index 5', 'index 9007199254740992')], ['an index outside the tree', text.replace('index 5', 'index 11')],
    ['the extra line behind the index', text.replace(/^(extra.*\n)(index.*\n)/m, '$2$1')], ['two extra lines', text.replace(/^(extra.*\n)/m, '$1$1')], ['an empty extra line', text.replace(/^extra.*/m, 'extra ')], ['an extra line without padding', text.replace(/^extra.*/m, 'extra AAA')],
    ['an extra line of 65,536 bytes', text.replace(/^extra.*/m, `extra ${Buffer.alloc(65_536).toString('base64')}`)], ['a hash of 31 bytes', text.replace(/^(index.*\n)/m, `$1${Buffer.alloc(31).toString('base64')}\n`)],
    ['a hash without padding', text.replace(/^(index.*\n)/m, `$1${hash.slice(0, -1)}\n`)], ['54 hashes', text.replace(/^(index.*\n)/m, `$1${`${hash}\n`.repeat(54)}`)], ['no checkpoint', text.slice(0, text.indexOf('\n\n') + 1)],
  ]
  for (const [name, proof] of wrong) t.throws(() => parseProof(proof), { name: 'FormatError', code: 'LOG_PROOF_MALFORMED' }, name)
  t.throws(() => parseProof(Buffer.from([0xff])), { code: 'LOG_PROOF_MALFORMED' }, 'no UTF-8')
  t.throws(() => parseProof(Buffer.alloc(262_145, 0x61)), { code: 'LOG_PROOF_MALFORMED' }, 'too long')
  t.throws(() => parseProof(text.slice(0, -1)), { code: 'LOG_NOTE_MALFORMED' }, 'no line end')
  t.throws(() => parseProof(text.slice(0, text.indexOf('\n\n') + 2)), { code: 'LOG_NOTE_MALFORMED' }, 'nothing behind the empty line')
  t.throws(() => parseProof(text.replace('\n11\n', '\n011\n')), { code: 'LOG_CHECKPOINT_MALFORMED' }, 'a checkpoint that is none')
})

void t.test('a proof that would not read back is not written', async (t) => {
  const proof = proofOf(5)
  const wrong: readonly Partial<LogProof>[] = [{ extra: Buffer.alloc(0) }, { index: -1 }, { index: 0.5 }, { index: 11 }, { path: [Buffer.alloc(31)] }, { path: [Buffer.alloc(0)] }]
  for (const changes of wrong) t.throws(() => formatProof({ ...proof, ...changes }), { name: 'FormatError', code: /LOG_/ }, JSON.stringify(changes))
  t.throws(() => formatProof({ ...proof, checkpoint: '' }), { code: 'LOG_NOTE_MALFORMED' })
})
