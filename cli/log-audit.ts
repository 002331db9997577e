import type { AuditFinding, LogAuditReport } from '../sdk/index.ts'
import { auditLog } from '../sdk/log-audit.ts'
import { startCounter } from './counter.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import type { Invocation } from './invocation.ts'
import { readLogKeyFlag } from './log-key.ts'
import { loadLogState, saveLogState, type KeptState } from './log-state.ts'
import { jsonDocument, jsonLine } from './output.ts'
import { printable } from './printable.ts'
import type { Session } from './session.ts'
import { formatAddress } from './settings.ts'

/**
 * Audits the log of the server, prints what it found and, in one sentence, whether history was rewritten; keeps the checkpoint for the next
 * time where the log is sound. Returns `notSigned` when anything is not as it must be.
 * @throws UsageError for a key or a kept state that cannot be used; LocalFileError; ProblemError, ConnectionError
 */
export async function auditCommand(session: Session, { own }: Invocation): Promise<ExitStatus> {
  const { client, settings, io } = session
  const kept = await loadLogState(settings, io)
  const logKey = await trustedKey(session, kept, own['logKey'])
  const counter = startCounter(session)
  const report = await auditLog({
    client, logKey, previous: kept.state?.checkpoint, signal: io.signal,
    onProgress: ({ stage, done, total }) => counter.show(stage === 'database' ? 'the server compares its database' : `${done} of ${total} ${stage}`),
  }).finally(counter.stop)
  if (isSoundLog(report)) await saveLogState(kept.path, { logKey, checkpoint: report.checkpoint!, seenAt: new Date().toISOString() })
  await print(session, report, kept)
  return report.intact ? EXIT.done : EXIT.notSigned
}

async function trustedKey(session: Session, { state }: KeptState, given: unknown): Promise<string> {
  const { client, settings, terminal, io } = session
  if (typeof given === 'string') return await readLogKeyFlag(session.io, given)
  if (state !== undefined) return state.logKey
  const logKey = await client.getLogKey({ signal: io.signal })
  terminal.line(`trusted on first use: the log of ${formatAddress(settings)} has the key ${logKey}`)
  terminal.line('hint: compare it with the key that the administrator hands out, or give that one with --log-key')
  return logKey
}

/** What is wrong with the database alone, and not with the log. */
const BESIDE_THE_LOG: ReadonlySet<AuditFinding['kind']> = new Set(['database', 'signature-differs', 'signature-missing', 'receipt-of-another-history'])

/** Whether the next audit should compare with this checkpoint. What was seen before a log was rewritten is the evidence, and stays. */
function isSoundLog({ history, checkpoint, findings }: LogAuditReport): boolean {
  return checkpoint !== undefined && (history === 'first' || history === 'continued') && findings.every(({ kind }) => BESIDE_THE_LOG.has(kind))
}

async function print(session: Session, report: LogAuditReport, kept: KeptState): Promise<void> {
  const { settings: { output }, terminal } = session
  const { findings, findingCount, signatures, denied, history } = report
  const sentence = historySentence(session, report, kept)
  if (output === 'json') await terminal.out(jsonDocument({ ...report, sentence }))
  else if (output === 'ndjson') await terminal.out(jsonLine({ ...report, sentence }))
  else await terminal.out([...findings.map(({ kind, detail }) => `${kind}: ${detail}`), sentence].map((line) => `${printable(line)}\n`).join(''))
  if (findingCount > findings.length) terminal.line(`and ${findingCount - findings.length} more`)
  if (history === 'rewritten') terminal.line(`hint: keep ${kept.path}: with the checkpoint in it, which the log signed, whoever runs the server can be shown what was there before`)
  for (const operation of denied) terminal.line(`warning: not compared, as this client may not ask for it: ${operation}`)
  terminal.note(`compared ${signatures} signatures`)
}

function historySentence({ settings }: Session, { history, size, previousSize, findings, findingCount }: LogAuditReport, { state }: KeptState): string {
  const log = `the log of ${formatAddress(settings)}`
  const but = findingCount === 0 ? '' : `, but ${findingCount} thing${findingCount === 1 ? ' is' : 's are'} not as ${findingCount === 1 ? 'it' : 'they'} must be`
  switch (history) {
    case 'first':
      return `nothing is known of its history yet: ${log}, with ${size} entries, is audited for the first time here${but}`
    case 'continued':
      return `history was not rewritten: ${log} has ${size} entries and continues the ${previousSize} that were seen ${state!.seenAt}${but}`
    case 'rewritten':
      return `history was rewritten: ${log} is not the one that was seen ${state!.seenAt}: ${findings.find(({ kind }) => kind === 'history-rewritten')!.detail}`
    case 'unknown':
      return `it cannot be told whether history was rewritten: ${log} cannot be read as far as the ${previousSize} entries that were seen ${state!.seenAt}`
  }
}
