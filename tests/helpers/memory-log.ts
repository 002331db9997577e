import { generateKeyPairSync, hash, type KeyObject } from 'node:crypto'
import {
  appendLeaves, emptyRange, formatBundle, formatEntry, formatProof, formatVerifierKey, hashLeaf, hashNode, inclusionProof, makeVerifierKey, parseTilePath, rangeNodes,
  rangeRoot, signCheckpoint,
  type LogEntry, type SignatureEntry,
} from '../../formats/index.ts'
import { ProblemError, type FoundSignature, type LogAudit, type Receipt, type Signature } from '../../sdk/index.ts'
import type { AuditedClient } from '../../sdk/log-audit.ts'

export const ORIGIN = 'signing.example/log'
const AT = '2026-11-24T09:15:00.000Z'
const VALUE = Buffer.alloc(256, 7).toString('base64')

/** A log in memory: real hashes, a real key, and nothing but arrays behind it, so that a test can falsify whatever it likes. */
export interface MemoryLog {
  readonly entries: Buffer[]
  /** The newest first, as the server answers them. */
  readonly found: FoundSignature[]
  readonly logKey: string
  audit: LogAudit
  /** Signs whatever is there now, or was there when the log had `size` entries. */
  checkpoint: (size?: number) => string
  tile: (path: string) => Buffer
  proof: (index: number, size?: number) => string
  receipt: (index: number, size?: number) => Receipt
  /** What an audit asks; `change` replaces some of it. */
  client: (change?: Partial<AuditedClient>) => AuditedClient
}

const keys = generateKeyPairSync('ed25519')

/** The signature with this number, of PkgA, made for `client`, without its receipt. */
export function loggedSignature(number: number, members: Partial<Signature> = {}): Omit<Signature, 'receipt'> {
  const id = `0199c1f4-5f0e-4d1a-9c53-${String(number).padStart(12, '0')}`
  return {
    id, filename: `Pkg${number}.bff`, format: 'installp', source: 'path', sha256: hash('sha256', id), sizeBytes: 3584, keyid: '1001', algorithm: 'rsa-2048-sha256', covers: 'file',
    signature: VALUE, signedAt: AT, replayed: false,
    records: [{ package: 'PkgA', fileset: 'PkgA.rte', vrmf: '1.0.0.0', ftype: 'I', keyid: '1001', timestamp: '1375425475', signature: VALUE }],
    ...members,
  }
}

export function entryFor(signature: Omit<Signature, 'receipt'>, client: string): SignatureEntry {
  const { id, filename, sha256, sizeBytes, keyid, algorithm, covers, source, format, signature: value, signedAt, records } = signature
  return {
    kind: 'signature', at: signedAt, client, spki: 'ab'.repeat(32), id, filename, sha256, sizeBytes, keyid, algorithm, covers, source, format, signature: value,
    records: records.map(({ package: name, fileset, vrmf, ftype, timestamp, signature: own }) => ({ package: name, fileset, vrmf, ftype, timestamp, ...(own === value ? {} : { signature: own }) })),
  }
}

/** Makes a log of `size` entries: a start first, then signatures for `bot` and, every third one, for `other`. */
export function memoryLog(size: number, { privateKey = keys.privateKey, group = 3 }: Readonly<{ privateKey?: KeyObject; group?: number }> = {}): MemoryLog {
  const start: LogEntry = { kind: 'start', at: AT, version: '1.0.0' }
  const made = Array.from({ length: Math.max(0, size - 1) }, (_, at) => ({ client: at % 3 === 2 ? 'other' : 'bot', signature: loggedSignature(at + 1) }))
  const entries = size === 0 ? [] : [start, ...made.map(({ client, signature }) => entryFor(signature, client))].map(formatEntry)
  // As it was made, whatever becomes of it.
  const tree = treeOf(entries.map(hashLeaf))
  const log: MemoryLog = {
    entries,
    found: [],
    logKey: formatVerifierKey(makeVerifierKey(ORIGIN, privateKey)),
    audit: { checkpoint: '', intact: true, findings: [] },
    checkpoint: (at = entries.length) => signCheckpoint({ origin: ORIGIN, size: at, root: rangeRoot(appendLeaves(emptyRange(), entries.slice(0, at).map(hashLeaf)).range), extensions: [] }, privateKey),
    tile: (path) => tileOf(entries, `tile/${path}`),
    proof: (index, at = entries.length) => formatProof({ extra: entries[index]!, index, path: inclusionProof({ index, size: at }, treeOf(entries.map(hashLeaf))), checkpoint: log.checkpoint(at) }),
    receipt: (index, at = entries.length) => {
      const path = inclusionProof({ index, size: at }, treeOf(entries.map(hashLeaf))).map((node) => node.toString('base64'))
      return { index, entry: entries[index]!.toString(), path, checkpoint: log.checkpoint(at) }
    },
    client: (change = {}) => ({
      getCheckpoint: async () => log.checkpoint(),
      getTile: async ({ tile }) => log.tile(tile),
      findAllSignatures: async function* () {
        yield* log.found
      },
      auditLog: async () => log.audit,
      whoami: async () => ({ name: 'bot' }) as Awaited<ReturnType<AuditedClient['whoami']>>,
      ...change,
    }),
  }
  const checkpoints = new Map<number, string>()
  const checkpointAt = (at: number): string => {
    const root = rangeRoot({ size: at, hashes: rangeNodes(at).map((node) => tree(node.level, node.index)) })
    const known = checkpoints.get(at) ?? signCheckpoint({ origin: ORIGIN, size: at, root, extensions: [] }, privateKey)
    checkpoints.set(at, known)
    return known
  }
  // Signatures that were committed together share the state of the log.
  log.found.push(...made.map(({ client, signature }, at) => {
    const [index, end] = [at + 1, Math.min(size, Math.ceil((at + 2) / group) * group)]
    const path = inclusionProof({ index, size: end }, tree).map((node) => node.toString('base64'))
    return { client, signature: { ...signature, receipt: { index, entry: entries[index]!.toString(), path, checkpoint: checkpointAt(end) } } }
  }).toReversed())
  return log
}

/** Every complete subtree by its place. */
function treeOf(leaves: readonly Buffer[]): (level: number, index: number) => Buffer {
  const nodes = new Map(appendLeaves(emptyRange(), leaves).nodes.map(({ level, index, hash: value }) => [`${level}/${index}`, value]))
  return (level, index) => nodes.get(`${level}/${index}`)!
}

function tileOf(entries: readonly Buffer[], path: string): Buffer {
  const resource = parseTilePath(path)
  const first = resource.index * 256
  if (resource.kind === 'entries') return formatBundle(entries.slice(first, first + resource.width))
  const span = 256 ** resource.level
  return Buffer.concat(Array.from({ length: resource.width }, (_, at) => rangeRoot(appendLeaves(emptyRange(), entries.slice((first + at) * span, (first + at + 1) * span).map(hashLeaf)).range)))
}

/** A log that has one entry again and again: every subtree of a level has the same hash, so it can be as long as one likes and takes no room. */
export function repeatedLog(entry: Buffer, size: number): MemoryLog {
  const levels = [hashLeaf(entry)]
  while (levels.length < 53) levels.push(hashNode(levels.at(-1)!, levels.at(-1)!))
  const root = rangeRoot({ size, hashes: rangeNodes(size).map(({ level }) => levels[level]!) })
  const checkpoint = signCheckpoint({ origin: ORIGIN, size, root, extensions: [] }, keys.privateKey)
  const tile = (path: string): Buffer => {
    const resource = parseTilePath(`tile/${path}`)
    return resource.kind === 'entries' ? formatBundle(Array<Buffer>(resource.width).fill(entry)) : Buffer.concat(Array<Buffer>(resource.width).fill(levels[resource.level * 8]!))
  }
  const empty = memoryLog(0)
  const client: MemoryLog['client'] = (change) => empty.client({ getCheckpoint: async () => checkpoint, getTile: async (request) => tile(request.tile), ...change })
  return { ...empty, checkpoint: () => checkpoint, tile, client }
}

/** The problem that a server answers with. */
export function problemOf(code: 'STORE_FAILED' | 'TILE_NOT_FOUND' | 'OPERATION_DENIED' | 'INTERNAL' | 'SERVER_BUSY', detail = 'it is so'): ProblemError {
  return new ProblemError({ type: 'urn:x', title: 'X', status: 500, detail, instance: 'urn:uuid:x', code, retryable: false, hint: 'X.' })
}
