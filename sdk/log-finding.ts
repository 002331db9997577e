import type { FormatErrorCode } from '../formats/index.ts'
import type { ErrorCode } from './generated/schema.ts'

/** Something that is not as it must be. `index` counts entries, or hashes of a level, from 0; `detail` says it as a sentence. */
export type AuditFinding = Readonly<{ detail: string }> & (
  /** The checkpoint is not signed by the trusted key, or is none. */
  | Readonly<{ kind: 'checkpoint-untrusted'; reason: FormatErrorCode }>
  /** The tree of the checkpoint does not continue the one that was seen before. */
  | Readonly<{ kind: 'history-rewritten'; previousSize: number; size: number }>
  /** The entries do not give the root that the checkpoint signs. */
  | Readonly<{ kind: 'root-differs'; size: number }>
  /** A hash of a tile is not that of the entries. */
  | Readonly<{ kind: 'tile-differs'; level: number; index: number }>
  /** A leaf of the log is no entry. */
  | Readonly<{ kind: 'entry-malformed'; index: number }>
  /** The log cannot be read; what comes behind was not looked at. */
  | Readonly<{ kind: 'unreadable'; reason: FormatErrorCode | ErrorCode }>
  /** The server gave other entries when they were asked for again. */
  | Readonly<{ kind: 'entries-differ'; index: number }>
  /** A signature of the catalogue is not what the log says: in these members, `receipt` and `client` among them. */
  | Readonly<{ kind: 'signature-differs'; id: string; index: number; members: readonly string[] }>
  /** A signature of this client is in the log and not in the catalogue. */
  | Readonly<{ kind: 'signature-missing'; id: string; index: number }>
  /** A receipt leads to a state of the log that this log never had. */
  | Readonly<{ kind: 'receipt-of-another-history'; id: string; index: number }>
  /** What the server found in its database. */
  | Readonly<{ kind: 'database'; table: string }>
)

/** Collects findings; memory stays flat however many there are. */
export type LogFindings = Readonly<{ add: (finding: AuditFinding) => void; list: readonly AuditFinding[]; count: () => number }>

const KEPT = 1000

/** Begins to collect findings, of which the first 1,000 are kept, and that history was rewritten in any case. */
export function createFindings(): LogFindings {
  const list: AuditFinding[] = []
  let count = 0
  return {
    add: (finding) => {
      count += 1
      // That history was rewritten is what is asked for first, however much else there is.
      if (list.length < KEPT || finding.kind === 'history-rewritten') list.push(finding)
    },
    list,
    count: () => count,
  }
}
