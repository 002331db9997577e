import { createPrivateKey } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import {
  FormatError, appendLeaves, consistencyProof, createTileReader, emptyRange, formatBundle, formatCheckpoint, formatEntry, formatNote, formatProof, formatTilePath, formatVerifierKey, hashLeaf,
  inclusionNodes, inclusionProof, makeVerifierKey, openCheckpoint, parseBundle, parseCheckpoint, parseEntry, parseNote, parseProof, parseTilePath, parseVerifierKey, rangeRoot, readRange, signCheckpoint,
  tilesOfNodes, tilesOfTree, verifyConsistency, verifyInclusion, verifyProof,
} from '../../formats/index.ts'
import type { HashReader, LogEntry, LogProof, TilePosition } from '../../formats/index.ts'
import { naiveConsistency, naiveInclusion, naiveRoot } from '../helpers/naive-tree.ts'

const factor = Number(process.env.TEST_FULL_FACTOR ?? 1)
const numRuns = 300 * factor
// The naive tree hashes everything for each proof.
const treeRuns = 20 * factor

function holds<Value>(arbitrary: fc.Arbitrary<Value>, property: (value: Value) => boolean | void, runs = numRuns): void {
  fc.assert(fc.property(arbitrary, property), { numRuns: runs })
}

/** Returns the result, or undefined for a format error whose message repeats nothing; any other error is a failure. */
function outcome<Result>(run: () => Result): Result | undefined {
  try {
    return run()
  } catch (error) {
    if (error instanceof FormatError && error.message.length < 200 && /^[ -~]*$/.test(error.message)) return undefined
    throw error
  }
}

const privateKey = createPrivateKey({ key: Buffer.from('302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'), format: 'der', type: 'pkcs8' })
const ORIGIN = 'signing.example/log'
const trust = { keys: [makeVerifierKey(ORIGIN, privateKey)] } as const

type Tree = Readonly<{ leaves: readonly Buffer[]; read: HashReader; tile: (position: TilePosition) => Buffer }>

/** Appends the leaves in batches of these sizes, and keeps every hash as a server would. */
function grow(leaves: readonly Buffer[], batches: readonly number[]): Tree {
  const hashes = new Map<string, Buffer>()
  let range = emptyRange()
  for (let turn = 0; range.size < leaves.length; turn += 1) {
    const batch = leaves.slice(range.size, range.size + (batches[turn % batches.length] as number))
    const grown = appendLeaves(range, batch.map(hashLeaf))
    for (const { level, index, hash } of grown.nodes) hashes.set(`${level}/${index}`, hash)
    range = grown.range
  }
  const read: HashReader = (level, index) => hashes.get(`${level}/${index}`) as Buffer
  const tile = ({ level, index, width }: TilePosition): Buffer => Buffer.concat(Array.from({ length: width }, (_, at) => read(level * 8, index * 256 + at)))
  return { leaves, read, tile }
}

const tree = fc
  .record({ size: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 200, max: 600 }), fc.integer({ min: 1, max: 3000 })), seed: fc.integer(), batches: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }) })
  .map(({ size, seed, batches }) => grow(Array.from({ length: size }, (_, at) => Buffer.from(`${seed}:${at}`)), batches))
const part = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

void t.test('a tree grown in any batches has the roots and proofs that RFC 6962 defines, at every size it had', async () => {
  holds(fc.tuple(tree, part, part), ([{ leaves, read }, sizePart, indexPart]) => {
    const size = 1 + Math.floor(sizePart * leaves.length)
    const index = Math.floor(indexPart * size)
    const past = leaves.slice(0, size)
    const root = rangeRoot(readRange(size, read))
    if (!root.equals(naiveRoot(past))) return false
    const path = inclusionProof({ index, size }, read)
    verifyInclusion({ index, size, leafHash: hashLeaf(leaves[index] as Buffer), path, root })
    return Buffer.concat(path).equals(Buffer.concat(naiveInclusion(index, past)))
  }, treeRuns)
})

void t.test('any two sizes of a tree are shown to be consistent, by the proof of the definition and by no other', async () => {
  holds(fc.tuple(tree, part, part, part), ([{ leaves, read }, secondPart, firstPart, bytePart]) => {
    const second = 1 + Math.floor(secondPart * leaves.length)
    const first = 1 + Math.floor(firstPart * second)
    const path = consistencyProof({ first, second }, read)
    const [one, other] = [first, second].map((size) => ({ size, root: rangeRoot(readRange(size, read)) })) as [{ size: number; root: Buffer }, { size: number; root: Buffer }]
    verifyConsistency({ first: one, second: other, path })
    if (!Buffer.concat(path).equals(Buffer.concat(naiveConsistency(first, leaves.slice(0, second))))) return false
    // The same log with one entry of its past edited.
    const edited = leaves.slice(0, second).with(Math.floor(bytePart * first), Buffer.from('edited'))
    const rewritten = { size: second, root: naiveRoot(edited) }
    const forged = naiveConsistency(first, edited)
    return outcome(() => verifyConsistency({ first: one, second: rewritten, path }) ?? true) === undefined && outcome(() => verifyConsistency({ first: one, second: rewritten, path: forged }) ?? true) === undefined
  }, treeRuns)
})

void t.test('the tiles of a tree hold all of it, and those of a proof are enough for it', async () => {
  holds(fc.tuple(tree, part, part), ([{ leaves, read, tile }, sizePart, indexPart]) => {
    const size = 1 + Math.floor(sizePart * leaves.length)
    const index = Math.floor(indexPart * size)
    const all = new Map([...tilesOfTree(size)].map((position) => [formatTilePath({ kind: 'hashes', ...position }), tile(position)]))
    const reader = createTileReader(size, (position) => all.get(formatTilePath({ kind: 'hashes', ...position })) as Buffer)
    const few = new Set(tilesOfNodes(size, inclusionNodes({ index, size })).map((position) => formatTilePath({ kind: 'hashes', ...position })))
    const fewReader = createTileReader(size, (position) => (few.has(formatTilePath({ kind: 'hashes', ...position })) ? tile(position) : Buffer.alloc(0)))
    const path = Buffer.concat(inclusionProof({ index, size }, read))
    return rangeRoot(readRange(size, reader)).equals(rangeRoot(readRange(size, read)))
      && path.equals(Buffer.concat(inclusionProof({ index, size }, reader))) && path.equals(Buffer.concat(inclusionProof({ index, size }, fewReader)))
  }, treeRuns * 3)
})

void t.test('a flipped bit in a tile, wherever it is, changes the root', async () => {
  const { tile } = grow(Array.from({ length: 700 }, (_, at) => Buffer.from(String(at))), [64])
  const rootOf = (broken: (path: string, bytes: Buffer) => Buffer): string => {
    const read = createTileReader(700, (position) => broken(`${position.level}/${position.index}`, tile(position)))
    // All tiles by themselves: the leaves of the level below must hash to what is above, and the right edge to the root.
    const above = Array.from({ length: 2 }, (_, index) => read(8, index)).map((hash) => Buffer.from(hash).toString('hex'))
    const below = Array.from({ length: 2 }, (_, index) => [read(7, index * 2), read(7, index * 2 + 1)].map((hash) => Buffer.from(hash).toString('hex')))
    return JSON.stringify([above, below, rangeRoot(readRange(700, read)).toString('hex')])
  }
  const sound = rootOf((_, bytes) => bytes)
  holds(fc.tuple(fc.constantFrom<[string, number]>(['0/0', 256], ['0/1', 256], ['0/2', 188], ['1/0', 2]), part, fc.integer({ min: 0, max: 7 })), ([[path, width], where, bit]) => {
    const at = Math.floor(where * width * 32)
    return rootOf((asked, bytes) => (asked === path ? flip(bytes, at, bit) : bytes)) !== sound
  }, 40 * factor)
})

function flip(bytes: Buffer, at: number, bit: number): Buffer {
  const flipped = Buffer.from(bytes)
  flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at)
  return flipped
}

/** Every copy of `bytes` with one bit flipped. */
function* flips(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1) for (let bit = 0; bit < 8; bit += 1) yield flip(bytes, at, bit)
}

const entries = Array.from({ length: 5 }, (_, at) => formatEntry({ kind: 'start', at: '2026-11-24T09:15:00.000Z', version: `1.0.${at}` }))
const checkpoint = signCheckpoint({ origin: ORIGIN, size: 5, root: naiveRoot(entries), extensions: [] }, privateKey)
const proofText = formatProof({ extra: entries[2] as Buffer, index: 2, path: naiveInclusion(2, entries), checkpoint })

void t.test('a checkpoint with any bit flipped is refused, or reads as what it now says and does not verify', async (t) => {
  let readable = 0
  for (const flipped of flips(Buffer.from(checkpoint))) {
    const note = outcome(() => parseNote(flipped))
    if (note !== undefined && !Buffer.from(formatNote(note)).equals(flipped)) t.fail('a note does not print back')
    const body = note && outcome(() => parseCheckpoint(note.text))
    if (body !== undefined && formatCheckpoint(body) !== note?.text) t.fail('a checkpoint does not print back')
    readable += body === undefined ? 0 : 1
    if (outcome(() => openCheckpoint(flipped, trust)) !== undefined) t.fail('a flipped checkpoint opens')
  }
  t.ok(readable > 100, `${readable} of them can be read`)
  t.equal(openCheckpoint(Buffer.from(checkpoint), trust).size, 5)
})

void t.test('a proof with any bit flipped is refused, or reads as what it now says and proves nothing', async (t) => {
  let readable = 0
  for (const flipped of flips(Buffer.from(proofText))) {
    const proof = outcome(() => parseProof(flipped))
    if (proof === undefined) continue
    readable += 1
    if (!Buffer.from(formatProof(proof)).equals(flipped)) t.fail('a proof does not print back')
    if (outcome(() => verifyProof({ proof, trust, entry: entries[2] as Buffer })) !== undefined) t.fail('a flipped proof is accepted')
    if (outcome(() => verifyProof({ proof, trust })) !== undefined) t.fail('a flipped proof proves another entry')
  }
  t.ok(readable > 100, `${readable} of them can be read`)
  t.ok(verifyProof({ proof: parseProof(proofText), trust }).entry.equals(entries[2] as Buffer))
})

void t.test('an entry with any bit flipped is refused, or reads as what it now says and has another leaf hash', async (t) => {
  const entry = entries[2] as Buffer
  for (const flipped of flips(entry)) {
    const parsed = outcome(() => parseEntry(flipped))
    if (parsed !== undefined && !formatEntry(parsed).equals(flipped)) t.fail('an entry does not print back')
    if (hashLeaf(flipped).equals(hashLeaf(entry))) t.fail('the same leaf')
  }
})

const words = fc.stringMatching(/^[A-Za-z0-9._+-]{1,40}$/)
const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/)
const time = fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }).map((date) => date.toISOString())
const keyid = fc.stringMatching(/^[0-9]{1,10}$/)
const code = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,30}$/)
const base64 = fc.uint8Array({ minLength: 1, maxLength: 512 }).map((bytes) => Buffer.from(bytes).toString('base64'))
// oxlint-disable-next-line no-control-regex -- control characters are what is left out
const filename = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter((text) => !/[/\u0000-\u001f\u007f]|^\.\.?$/.test(text) && Buffer.byteLength(text) <= 255)
const record = fc.record({ package: words, fileset: words, vrmf: words, ftype: words, timestamp: fc.nat().map(String) }, { noNullPrototype: true })
const who = { at: time, client: words, spki: sha256 }
const entry: fc.Arbitrary<LogEntry> = fc.oneof(
  fc.record({
    kind: fc.constant('signature' as const), ...who, id: fc.uuid(), filename, sha256, sizeBytes: fc.maxSafeNat(), keyid, algorithm: words, covers: fc.constantFrom('file' as const, 'unverified' as const),
    source: fc.constantFrom('path' as const, 'upload' as const, 'digest' as const), format: words, signature: base64, records: fc.array(record, { maxLength: 4 }),
  }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant('failure' as const), ...who, code, filename, sha256, keyid }, { requiredKeys: ['kind', 'at', 'client', 'spki', 'code'], noNullPrototype: true }) as fc.Arbitrary<LogEntry>,
  fc.record({ kind: fc.constant('key' as const), at: time, keyid, change: fc.constantFrom('added' as const, 'removed' as const, 'changed' as const), spkiSha256: sha256 }, { noNullPrototype: true }),
)

void t.test('every entry is one line that reads back as itself', async () => {
  holds(entry, (value) => {
    const bytes = formatEntry(value)
    return !bytes.includes(0x0a) && JSON.stringify(parseEntry(bytes)) === bytes.toString() && formatEntry(parseEntry(bytes)).equals(bytes)
  })
})

void t.test('bundles of any entries, and tile paths of any place, read back', async () => {
  holds(fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1, maxLength: 256 }), (list) => {
    const bundle = formatBundle(list)
    return formatBundle(parseBundle(bundle, list.length)).equals(bundle)
  })
  holds(fc.record({ level: fc.integer({ min: 0, max: 63 }), index: fc.maxSafeNat(), width: fc.integer({ min: 1, max: 256 }) }), ({ level, index, width }) => {
    for (const resource of [{ kind: 'hashes', level, index, width }, { kind: 'entries', index, width }] as const) {
      const path = formatTilePath(resource)
      if (JSON.stringify(parseTilePath(path)) !== JSON.stringify(resource)) return false
    }
    return true
  })
})

/** Text near to one of the formats: pieces of sound ones, shuffled, cut and joined. */
const pieces = fc.constantFrom(...checkpoint.split('\n'), ...proofText.split('\n'), '', '\n', '— ', ' ', 'index 0', 'extra AAAA', '0', 'x000/', '000', 'tile/', 'entries/', '.p/1', '+', formatVerifierKey(trust.keys[0]))
const nearly = fc.oneof(fc.array(pieces, { maxLength: 12 }).map((list) => list.join('\n')), fc.array(pieces, { maxLength: 6 }).map((list) => list.join('')), fc.string({ unit: 'binary' }))

void t.test('nothing but a format error comes out of any text, and what is read prints back', async () => {
  holds(nearly, (text) => {
    const bytes = Buffer.from(text)
    const note = outcome(() => parseNote(text))
    const body = outcome(() => parseCheckpoint(text))
    const proof = outcome(() => parseProof(bytes)) satisfies LogProof | undefined
    const path = outcome(() => parseTilePath(text))
    const key = outcome(() => parseVerifierKey(text))
    const parsed = outcome(() => parseEntry(bytes))
    const bundle = outcome(() => parseBundle(bytes, 1))
    return (note === undefined || formatNote(note) === text) && (body === undefined || formatCheckpoint(body) === text) && (proof === undefined || formatProof(proof) === text)
      && (path === undefined || formatTilePath(path) === text) && (key === undefined || formatVerifierKey(key) === text) && (parsed === undefined || formatEntry(parsed).equals(bytes))
      && (bundle === undefined || formatBundle(bundle).equals(bytes))
  }, numRuns * 3)
})
