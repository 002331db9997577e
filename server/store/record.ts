import { Buffer } from 'node:buffer'
import { signatureEntry } from '../../formats/index.ts'
import type { Receipt } from '../schemas/receipt.ts'
import { countMade, levelChanges, obstacleOf, readPast, takenLevel, type Obstacle } from './guard.ts'
import type { Leaves } from './leaves.ts'
import type { Ledger } from './ledger.ts'
import { recordRows, signatureRow, wholeMs } from './signatures.ts'
import type { SignedFile, Subject, Unrecorded } from './store.ts'
import type { LatestSignatureRow, LevelRow, SignatureRow } from './tables.ts'

/** A signature to record. */
export type Recording = Readonly<{ subject: Subject; signature: Unrecorded }>

/** What became of it. */
export type RecordResult = Readonly<{ kind: 'recorded'; receipt: Receipt }> | Obstacle

type Accepted = Readonly<{ recording: Recording; leafIndex: number }>

/** Recordings that were decided on; `finish` writes their rows once the log is written, and returns what became of each. */
export type Decided = Readonly<{ finish(receiptSize: number): Promise<RecordResult[]> }>

/**
 * Decides on signatures that were made, in their order, and appends those that are accepted to the log. Nothing else writes beside this
 * transaction, so what it read cannot change; the constraints of the tables hold all the same.
 */
export async function recordAll(ledger: Ledger, leaves: Leaves, recordings: readonly Recording[]): Promise<Decided> {
  const past = await readPast(ledger.transaction, recordings.map(({ subject }) => subject))
  const levels = new Map<string, Readonly<{ row: LevelRow; isNew: boolean }>>()
  const decisions = recordings.map((recording): Accepted | Obstacle => {
    const { subject, signature } = recording
    const obstacle = obstacleOf(subject, past)
    if (obstacle !== undefined) return obstacle
    const { client, spkiSha256: spki } = subject.recipient
    const replaces = subject.resign ? takenLevel(subject, past)?.earlier : undefined
    const leafIndex = leaves.add(signatureEntry(signature, { client, spki, ...(replaces === undefined ? {} : { replaces }) }))
    const { added, replaced } = levelChanges(subject, signature, past)
    for (const row of added) levels.set(row.level, { row, isNew: true })
    for (const row of replaced) levels.set(row.level, { row, isNew: levels.get(row.level)?.isNew ?? false })
    for (const row of [...added, ...replaced]) past.levels.set(row.level, row)
    past.artefacts.set(subject.artefact, signature.id)
    countMade(subject, past)
    return { recording, leafIndex }
  })
  return {
    finish: async (receiptSize) => {
      const accepted = decisions.filter((decision) => 'recording' in decision)
      await writeRows(ledger, accepted, receiptSize)
      for (const { row, isNew } of levels.values()) {
        if (!isNew) await ledger.change('levels', { level: row.level }, row)
      }
      await ledger.insert('levels', [...levels.values()].filter(({ isNew }) => isNew).map(({ row }) => row))
      return decisions.map((decision) => ('recording' in decision ? { kind: 'recorded', receipt: leaves.receipt(decision.leafIndex) } : decision))
    },
  }
}

async function writeRows(ledger: Ledger, accepted: readonly Accepted[], receiptSize: number): Promise<void> {
  const rows: SignatureRow[] = accepted.map(({ recording: { subject, signature }, leafIndex }) => signatureRow(subject, signature, { leafIndex, receiptSize }))
  await ledger.insert('signatures', rows)
  await ledger.insert('signature_records', accepted.flatMap(({ recording: { signature } }) => recordRows(signature)))
  await writeLatest(ledger, accepted.flatMap(({ recording: { subject: { recipient: { file } }, signature } }) => (file === undefined ? [] : [{ file, id: signature.id }])))
}

/**
 * A key of an index has at most 2,704 bytes in PostgreSQL, and this one a root of 64 and some headers beside the path.
 * @see https://www.postgresql.org/docs/current/btree.html
 */
const PATH_BYTES_MAX = 2_600

/**
 * Remembers for each file the signature that it got last; where one stands there twice, the last counts. A path that no index takes is not
 * remembered: its file is signed, and a listing does not say so.
 */
export async function writeLatest(ledger: Ledger, files: readonly Readonly<{ file: SignedFile; id: string }>[]): Promise<void> {
  const rows = new Map<string, LatestSignatureRow>()
  for (const { file: { root, relativePath, sizeBytes, modifiedAtMs }, id } of files) {
    if (Buffer.byteLength(relativePath) > PATH_BYTES_MAX) continue
    rows.set(JSON.stringify([root, relativePath]), { root, relative_path: relativePath, size_bytes: sizeBytes, modified_at_ms: wholeMs(modifiedAtMs), signature_id: id })
  }
  for (const [root, group] of Map.groupBy(rows.values(), (row) => row.root)) {
    await ledger.remove('latest_signatures', { root, relative_path: group.map((row) => row.relative_path) })
    await ledger.insert('latest_signatures', group)
  }
}
