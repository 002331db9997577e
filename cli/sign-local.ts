import type { KeyOptions, Signature, SignAnswer } from '../sdk/index.ts'
import { describeFile } from '../sdk/local.ts'
import { SEVERAL_REQUESTS } from './combinations.ts'
import type { ExitStatus } from './exit-status.ts'
import { failureOf } from './failure.ts'
import { inFlight } from './in-flight.ts'
import type { Invocation } from './invocation.ts'
import { keptEvents } from './keep.ts'
import { expandFiles, totalBytes, type LocalFile } from './local-files.ts'
import type { RunEvent } from './output.ts'
import { startProgress, type ProgressBar } from './progress.ts'
import type { Session } from './session.ts'
import { anewOf, batchEvents, type Anew, type Described } from './sign-batch.ts'
import { showRun } from './sign-run.ts'
import type { SignWays } from './sign.ts'
import { UsageError } from './usage-error.ts'

const CONCURRENCY = 4

/**
 * Signs files of this machine, sent whole or by their digests, and prints the outcomes. A single file is headed by its path, several are
 * a list of record lines. Returns `done`, or `notSigned` when one was not signed.
 * @throws UsageError for a pattern that matches nothing; ProblemError when the server refuses what it would refuse for every file;
 * ConnectionError; the reason of the signal
 */
export async function signLocal(session: Session, { files: names, own, members }: Invocation, { keeper, ...key }: SignWays): Promise<ExitStatus> {
  const { terminal, io } = session
  const files = await expandFiles(names, io.cwd)
  if (key.idempotencyKey !== undefined && files.length > 1) throw new UsageError([SEVERAL_REQUESTS])
  const bytes = own['upload'] === true ? await totalBytes(files) : undefined
  const bar = terminal.live ? startProgress(terminal, { total: files.length, totalBytes: bytes, now: io.now }) : undefined
  const run: LocalRun = { files, limit: typeof own['concurrency'] === 'number' ? own['concurrency'] : CONCURRENCY, bar, key, anew: anewOf(members) }
  const outcomes = own['upload'] === true ? uploadEvents(session, run) : digestEvents(session, run)
  const events = keeper === undefined ? outcomes : keptEvents(outcomes, keeper, (name) => files.find((file) => file.name === name)!.path)
  return await showRun(session, framed(events, { files, cwd: io.cwd }), { layout: files.length === 1 ? 'file' : 'list', bar })
}

type LocalRun = Readonly<{ files: readonly LocalFile[]; limit: number; bar: ProgressBar | undefined; key: KeyOptions; anew: Anew }>

async function* uploadEvents(session: Session, { files, limit, bar, key, anew }: LocalRun): AsyncGenerator<RunEvent, void, undefined> {
  const { client, settings: { keyid }, io, sdk } = session
  const upload = async ({ name, path }: LocalFile, signal: AbortSignal): Promise<readonly RunEvent[]> => {
    let sent = 0
    const onProgress = (now: number): void => {
      bar?.sent(now - sent)
      sent = now
    }
    const answer = await client.signUpload({ file: path, keyid, ...anew }, { ...key, signal, onProgress }).catch((error: unknown) => failed(name, error))
    if ('event' in answer) return [answer]
    const signature = onlySignature(answer)
    if (signature === undefined) throw new sdk.ConnectionError('ANSWER_NOT_UNDERSTOOD', 'the answer to an upload has no signature')
    return [...answer.warnings.map((warning) => ({ event: 'warning', warning }) as const), { event: 'signature', name, signature }]
  }
  for await (const events of inFlight(files, { limit, signal: io.signal }, upload)) yield* events
}

function onlySignature({ signatures }: SignAnswer): Signature | undefined {
  return Object.values(signatures)[0]
}

async function* digestEvents(session: Session, { files, limit, key, anew }: LocalRun): AsyncGenerator<RunEvent, void, undefined> {
  const { io } = session
  const describe = async ({ name, path }: LocalFile, signal: AbortSignal): Promise<Described | RunEvent> => {
    const found = await describeFile(path, { signal }).catch((error: unknown) => failed(name, error))
    if ('event' in found) return found
    return found.format === 'toc' ? tableOfContents(name) : { name, found }
  }
  yield* batchEvents(session, inFlight(files, { limit, signal: io.signal }, describe), { key, anew })
}

function tableOfContents(name: string): RunEvent {
  return { event: 'failure', name, problem: { code: 'NOT_A_PACKAGE', detail: 'the file is a table of contents', hint: 'Name an installp package image (backup file format).' } }
}

function failed(name: string, error: unknown): Extract<RunEvent, { event: 'failure' }> {
  const problem = failureOf(error)
  if (problem === undefined) throw error
  return { event: 'failure', name, problem }
}

/** Puts listing and end around the outcomes, as the server does; a warning that many files share is said once. */
async function* framed(events: AsyncIterable<RunEvent>, { files, cwd }: Readonly<{ files: readonly LocalFile[]; cwd: string }>): AsyncGenerator<RunEvent, void, undefined> {
  const count = { signature: 0, failure: 0 }
  const said = new Set<string>()
  let begun = false
  for await (const event of events) {
    // Not before there is something to say: a run that is refused as a whole has no heading.
    if (!begun) yield listing(files, cwd)
    begun = true
    if (event.event === 'warning' && said.has(event.warning.detail)) continue
    if (event.event === 'warning') said.add(event.warning.detail)
    if (event.event === 'signature' || event.event === 'failure') count[event.event] += 1
    yield event
  }
  yield { event: 'end', signed: count.signature, failed: count.failure, skipped: 0 }
}

function listing(files: readonly LocalFile[], cwd: string): RunEvent {
  const isOne = files.length === 1
  return { event: 'listing', kind: isOne ? 'file' : 'directory', path: isOne ? files[0]!.path : cwd, files: files.map(({ name }) => name) }
}
