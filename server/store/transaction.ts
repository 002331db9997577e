import type { LogEntry } from '../../formats/index.ts'
import { askAnswer, giveUpAnswer, keepAnswer, purgeAnswers, renewAnswers } from './answers.ts'
import type { Durability, Engine } from './engine.ts'
import { headOf, rangeOf, readHead, writeHead, type LogIdentity } from './head.ts'
import { createLeaves, type Leaves } from './leaves.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { recordAll, writeLatest, type Recording } from './record.ts'
import { openSeal, sealSums, type SealKey } from './seal.ts'
import { startEntries } from './start.ts'
import type { AnswerHead, AnswerItem, Asked, Recipient, Started } from './store.ts'

/** Something to write. What becomes of it is the result at the same place. */
export type Write = Readonly<
  | { kind: 'record'; recording: Recording }
  | { kind: 'hand'; id: string; recipient: Recipient; isOwn: boolean }
  | { kind: 'append'; entry: LogEntry }
  | { kind: 'begin'; started: Started }
  | { kind: 'ask'; asked: Asked }
  | { kind: 'answer'; asked: Asked; head: AnswerHead; items: readonly AnswerItem[] }
  | { kind: 'giveUp'; asked: Asked }
  | { kind: 'renew'; running: readonly Asked[] }
  | { kind: 'purge' }
>

/** What a transaction stands on. */
export type WriteDeps = Readonly<{ engine: Engine; identity: LogIdentity; sealKey: SealKey; keepMs: number }>

type Step = Readonly<{ ledger: Ledger; leaves: Leaves; now: number; keepMs: number }>

/** Writes everything or nothing, in the order given, and returns what became of each: one commit, one flush, one step of the log. */
export async function writeAll({ engine, identity, sealKey, keepMs }: WriteDeps, writes: readonly Write[]): Promise<unknown[]> {
  return await engine.write(async (transaction) => {
    // Asked when it is this transaction's turn: it may have waited for others, and leases are short.
    const now = await engine.now()
    const head = await readHead(transaction)
    const ledger = createLedger(transaction, sealKey, openSeal(sealKey, head))
    const leaves = createLeaves(rangeOf(head), identity)
    const step = { ledger, leaves, now, keepMs }
    const decided = await recordAll(ledger, leaves, writes.flatMap((write) => (write.kind === 'record' ? [write.recording] : [])))
    const others = new Map<Write, unknown>()
    for (const write of writes) if (write.kind !== 'record') others.set(write, await perform(step, write))
    const after = await leaves.write(ledger)
    const recorded = (await decided.finish(after.size)).values()
    const state = headOf(after)
    await writeHead(transaction, { ...state, log_key: head.log_key, ...sealSums(sealKey, state, ledger.sums) })
    return writes.map((write) => (write.kind === 'record' ? recorded.next().value : others.get(write)))
  }, durabilityOf(writes))
}

async function perform({ ledger, leaves, now, keepMs }: Step, write: Exclude<Write, { kind: 'record' }>): Promise<unknown> {
  switch (write.kind) {
    case 'hand':
      return await hand(ledger, write)
    case 'append':
      return void leaves.add(write.entry)
    case 'begin':
      for (const entry of await startEntries(ledger.transaction, write.started)) leaves.add(entry)
      return undefined
    case 'ask':
      return await askAnswer(ledger, write.asked, { now, keepMs })
    case 'answer':
      return await keepAnswer(ledger, write, { now, keepMs })
    case 'giveUp':
      return await giveUpAnswer(ledger, write.asked)
    case 'renew':
      return await renewAnswers(ledger, write.running, now)
    case 'purge':
      return await purgeAnswers(ledger, now)
  }
}

/** Lets a client look up a signature that was made for another, and remembers the file that it was handed for. */
async function hand(ledger: Ledger, { id, recipient: { client, file }, isOwn }: Extract<Write, { kind: 'hand' }>): Promise<void> {
  if (!isOwn) {
    await ledger.remove('handed', { signature_id: id, client })
    await ledger.insert('handed', [{ signature_id: id, client }])
  }
  if (file !== undefined) await writeLatest(ledger, [{ file, id }])
}

/** What is lost with a power cut may only be what is asked again anyway. */
const VOLATILE: ReadonlySet<Write['kind']> = new Set(['ask', 'giveUp', 'renew', 'purge'])

function durabilityOf(writes: readonly Write[]): Durability {
  return writes.every(({ kind }) => VOLATILE.has(kind)) ? 'volatile' : 'durable'
}
