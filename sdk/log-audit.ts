import { FormatError, openCheckpoint, parseCheckpoint, parseNote, type Checkpoint, type TileResource, type VerifierKey } from '../formats/index.ts'
import type { CallOptions } from './call.ts'
import type { Client } from './client.ts'
import { attempt } from './log-attempt.ts'
import { createFindings, type AuditFinding, type LogFindings } from './log-finding.ts'
import { rebuildLog, tileName, type RebuiltLog } from './log-rebuild.ts'
import { readLogKey } from './log-receipt.ts'
import { compareSignatures } from './log-signatures.ts'
import { ProblemError } from './problem.ts'

/** What an audit asks the server; a {@link Client} has it. */
export type AuditedClient = Pick<Client, 'getCheckpoint' | 'getTile' | 'findAllSignatures' | 'auditLog' | 'whoami'>

/** How far an audit is: so many entries read, signatures compared, of so many entries in all. */
export type AuditProgress = Readonly<{ stage: 'entries' | 'signatures' | 'database'; done: number; total: number }>

/** What is audited, and against what. */
export type LogAuditOptions = Readonly<{
  client: AuditedClient
  /** The public key of the log, `NAME+KEYID+BASE64`, from somebody who is trusted or from the first audit. */
  logKey: string
  /** The checkpoint (signed note) that the audit before this one returned. Without it there is no history to compare with. */
  previous?: string | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: AuditProgress) => void) | undefined
}>

/**
 * Whether the log continues the checkpoint that was seen before: `first`, there was none; `unknown`, the log could not be read as far as that.
 */
export type LogHistory = 'first' | 'continued' | 'rewritten' | 'unknown'

/** What an audit found. */
export type LogAuditReport = Readonly<{
  /** No finding. */
  intact: boolean
  history: LogHistory
  /** The checkpoint that was audited, a signed note: what the next audit takes as `previous` when this one is intact. Absent when there was none to be had. */
  checkpoint?: string
  /** How many entries it has, and had when it was seen before. */
  size: number
  previousSize?: number
  /** How many entries of each kind were read. */
  kinds: Readonly<Record<string, number>>
  /** How many signatures of the catalogue were compared with their entries. */
  signatures: number
  /** The first 1,000 findings, and how many there are. */
  findings: readonly AuditFinding[]
  findingCount: number
  /** What the policy does not allow this client to ask, and was left out. */
  denied: readonly ('findSignatures' | 'auditLog')[]
}>

/** A database that somebody changed cannot be read however often one tries; it should not take long to be told. */
const RETRY = { tries: 5 }

type Audit = LogAuditOptions & Readonly<{ key: VerifierKey; findings: LogFindings; options: CallOptions; denied: LogAuditReport['denied'][number][] }>

/**
 * Audits a log without trusting its server: fetches every entry and rebuilds the tree, compares it with the tiles, the signed checkpoint and
 * the checkpoint that was seen before, and every signature that the client may see with its entry and its receipt; and asks the server to
 * compare its database with what it wrote. Memory stays flat: about 32 bytes for 128 entries. Every entry is fetched twice, forwards and backwards.
 * @throws LocalFileError `LOG_KEY_UNUSABLE`; FormatError for a `previous` that is no checkpoint; ProblemError, ConnectionError where the log cannot be asked at all
 */
export async function auditLog(given: LogAuditOptions): Promise<LogAuditReport> {
  const audit: Audit = { ...given, key: readLogKey(given.logKey), findings: createFindings(), options: { signal: given.signal, retry: RETRY }, denied: [] }
  const { client, findings, options, denied } = audit
  const previous = given.previous === undefined ? undefined : parseCheckpoint(parseNote(given.previous).text)
  const note = await readable(audit, async () => await client.getCheckpoint(options))
  const checkpoint = note === undefined ? undefined : openNote(audit, note)
  const log = checkpoint === undefined ? undefined : await readable(audit, async () => await rebuild(audit, checkpoint, previous))
  const history = judgeHistory(audit, { checkpoint, previous, log })
  const signatures = log === undefined ? 0 : ((await readable(audit, async () => await compare(audit, log))) ?? 0)
  await askDatabase(audit)
  return {
    intact: findings.count() === 0,
    history,
    ...(note === undefined ? {} : { checkpoint: note }),
    size: checkpoint?.size ?? 0,
    ...(previous === undefined ? {} : { previousSize: previous.size }),
    kinds: log?.kinds ?? {},
    signatures,
    findings: findings.list,
    findingCount: findings.count(),
    denied,
  }
}

/** What is not signed by the trusted key is looked at all the same: what it says about history is worth knowing. */
function openNote({ key, findings }: Audit, note: string): Checkpoint | undefined {
  const trusted = attempt(() => openCheckpoint(note, { keys: [key] }))
  if (!(trusted instanceof FormatError)) return trusted
  findings.add({ kind: 'checkpoint-untrusted', reason: trusted.code, detail: `the checkpoint is not one that the trusted key of the log signed: ${trusted.message}` })
  const any = attempt(() => parseCheckpoint(parseNote(note).text))
  return any instanceof FormatError ? undefined : any
}

async function rebuild({ client, findings, options, onProgress }: Audit, checkpoint: Checkpoint, previous: Checkpoint | undefined): Promise<RebuiltLog> {
  const { size } = checkpoint
  const sizes = previous === undefined ? [] : [previous.size]
  return await rebuildLog({ read: reader(client, options), size, sizes, findings, onEntries: (done) => onProgress?.({ stage: 'entries', done, total: size }) })
}

function reader(client: AuditedClient, options: CallOptions): (resource: TileResource) => Promise<Buffer> {
  return async (resource) => await client.getTile({ tile: tileName(resource) }, options)
}

type Heads = Readonly<{ checkpoint: Checkpoint | undefined; previous: Checkpoint | undefined; log: RebuiltLog | undefined }>

function judgeHistory({ findings }: Audit, { checkpoint, previous, log }: Heads): LogHistory {
  if (checkpoint !== undefined && log !== undefined && !log.root.equals(checkpoint.root)) {
    findings.add({ kind: 'root-differs', size: checkpoint.size, detail: `the ${checkpoint.size} entries of the log do not give the root that its checkpoint signs` })
  }
  if (previous === undefined) return 'first'
  if (checkpoint === undefined) return 'unknown'
  const { size } = checkpoint
  const rewritten = (detail: string): LogHistory => {
    findings.add({ kind: 'history-rewritten', previousSize: previous.size, size, detail })
    return 'rewritten'
  }
  if (size < previous.size) return rewritten(`the log has ${size} entries and had ${previous.size}`)
  if (size === previous.size && !checkpoint.root.equals(previous.root)) return rewritten(`the log has the same number of entries as before, ${size}, and another root`)
  const root = log?.rootsAt.get(previous.size)
  if (root === undefined) return 'unknown'
  return root.equals(previous.root) ? 'continued' : rewritten(`the first ${previous.size} entries of the log are not those that were there before`)
}

async function compare({ client, key, findings, options, denied, onProgress }: Audit, log: RebuiltLog): Promise<number> {
  const { name } = await client.whoami(options)
  const onSignatures = (done: number): void => onProgress?.({ stage: 'signatures', done, total: log.kinds['signature'] ?? 0 })
  try {
    return await compareSignatures({ read: reader(client, options), log, key, signatures: client.findAllSignatures({}, options), client: name, findings, onSignatures })
  } catch (error) {
    if (!isDenied(error)) throw error
    denied.push('findSignatures')
    return 0
  }
}

async function askDatabase({ client, findings, options, denied, onProgress }: Audit): Promise<void> {
  onProgress?.({ stage: 'database', done: 0, total: 1 })
  try {
    for (const { table, detail } of (await client.auditLog(options)).findings) findings.add({ kind: 'database', table, detail: `${table}: ${detail}` })
  } catch (error) {
    if (!isDenied(error)) return unreadable(findings, error)
    denied.push('auditLog')
  }
}

/** Returns what `work` returns; undefined, and a finding, where the log is in no state to be read. */
async function readable<T>({ findings }: Audit, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    unreadable(findings, error)
    return undefined
  }
}

const UNREADABLE: ReadonlySet<string> = new Set(['STORE_FAILED', 'TILE_NOT_FOUND', 'INTERNAL'])

/** A database that somebody changed shows also as what the server cannot read any more. */
function unreadable(findings: LogFindings, error: unknown): void {
  const isFault = error instanceof FormatError || (error instanceof ProblemError && UNREADABLE.has(error.code))
  if (!isFault) throw error
  findings.add({ kind: 'unreadable', reason: error.code, detail: `the log cannot be read to its end: ${error instanceof FormatError ? error.message : error.detail}` })
}

function isDenied(error: unknown): boolean {
  return error instanceof ProblemError && error.code === 'OPERATION_DENIED'
}
