import { setTimeout as sleep } from 'node:timers/promises'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describeFile } from '../sdk/local.ts'
import type { SignAgainRequest, SignAnswer, Signature } from '../sdk/index.ts'
import type { ExitStatus } from './exit-status.ts'
import { failureOf, type Failure } from './failure.ts'
import type { Invocation } from './invocation.ts'
import type { RunEvent } from './output.ts'
import { startProgress } from './progress.ts'
import { readReport, type Reported } from './report-file.ts'
import type { Session } from './session.ts'
import { showRun } from './sign-run.ts'

/** Files of this machine by the SHA-256 of what a signature of theirs covers. */
type LocalContents = ReadonlyMap<string, string>

type Resigning = Readonly<{ keyid: string; report: string; local: LocalContents; turn: () => Promise<void> }>

/** How many requests to sign begin in a minute, unless told otherwise. */
const RATE = 600

/**
 * Signs everything in a report once more, with the key of `--keyid`: by the earlier signature, for the file that the server has, or by sending the
 * file of `--upload DIRECTORY` that has the same bytes. What the key signed before is not signed again but printed, so that a run that was
 * interrupted is gone on with by the same command. Returns `done`, or `notSigned` when something is left.
 * @throws UsageError for a file that is no whole report; ProblemError when the server refuses what it would refuse of everything;
 * ConnectionError; the reason of the signal
 */
export async function resignCommand(session: Session, { members, own }: Invocation): Promise<ExitStatus> {
  const { terminal, io } = session
  const keyid = String(members['keyid'])
  const report = resolve(io.cwd, String(own['from']))
  // To its end before the first is signed: a report that is cut off is none.
  const names = (await Array.fromAsync(toSign(report, keyid))).map(({ filename }) => filename)
  const local = typeof own['upload'] === 'string' ? await localContents(session, resolve(io.cwd, own['upload'])) : new Map<string, string>()
  const bar = terminal.live ? startProgress(terminal, { total: names.length, now: io.now }) : undefined
  const turn = createTurn(session, typeof own['rate'] === 'number' ? own['rate'] : RATE)
  return await showRun(session, resignEvents(session, names, { keyid, report, local, turn }), { layout: 'list', bar })
}

/** The signatures of a report that are not by the key itself. */
async function* toSign(report: string, keyid: string): AsyncGenerator<Reported, void, undefined> {
  for await (const reported of readReport(report)) if (reported.keyid !== keyid) yield reported
}

async function* resignEvents(session: Session, names: readonly string[], resigning: Resigning): AsyncGenerator<RunEvent, void, undefined> {
  const count = { signature: 0, failure: 0 }
  const said = new Set<string>()
  yield { event: 'listing', kind: 'directory', path: resigning.report, files: [...names] }
  for await (const reported of toSign(resigning.report, resigning.keyid)) {
    for (const event of await resignOne(session, reported, resigning)) {
      if (event.event === 'warning' && said.has(event.warning.detail)) continue
      if (event.event === 'warning') said.add(event.warning.detail)
      else count[event.event] += 1
      yield event
    }
  }
  yield { event: 'end', signed: count.signature, failed: count.failure, skipped: 0 }
}

type OneEvent = Extract<RunEvent, { event: 'signature' | 'failure' | 'warning' }>

async function resignOne(session: Session, reported: Reported, resigning: Resigning): Promise<readonly OneEvent[]> {
  const { filename: name } = reported
  try {
    const before = await signedBefore(session, reported, resigning)
    if (before !== undefined) return [{ event: 'signature', name, signature: before }]
    await resigning.turn()
    const { signatures, warnings } = await signOnce(session, reported, resigning)
    const [signature] = Object.values(signatures)
    if (signature === undefined) throw new session.sdk.ConnectionError('ANSWER_NOT_UNDERSTOOD', 'the answer to one signature has none')
    return [...warnings.map((warning) => ({ event: 'warning', warning }) as const), { event: 'signature', name, signature }]
  } catch (error) {
    return [{ event: 'failure', name, problem: ofOne(error) }]
  }
}

async function signedBefore({ client, io }: Session, { sha256 }: Reported, { keyid }: Resigning): Promise<Signature | undefined> {
  const { signatures: [found] } = await client.findSignatures({ sha256, keyid, limit: 1 }, { signal: io.signal })
  return found === undefined || found.signature.keyRevoked !== undefined ? undefined : { ...found.signature, replayed: true }
}

/** A file that the server could read itself it may still have; what it never had is sent. */
async function signOnce(session: Session, reported: Reported, { keyid, local }: Resigning): Promise<SignAnswer> {
  const { client, io, sdk } = session
  const path = local.get(reported.sha256)
  const request: SignAgainRequest = { id: reported.id, keyid }
  const again = async (): Promise<SignAnswer> => await client.sign(request, { signal: io.signal })
  if (path === undefined) return await again()
  if (reported.source !== 'path') return await send(session, path, { reported, keyid })
  return await again().catch(async (error: unknown) => {
    if (error instanceof sdk.ProblemError && error.code === 'CONTENT_UNAVAILABLE') return await send(session, path, { reported, keyid })
    throw error
  })
}

async function send({ client, io, sdk }: Session, path: string, { reported: { sha256, filename }, keyid }: Readonly<{ reported: Reported; keyid: string }>): Promise<SignAnswer> {
  const { digest } = await describeFile(path, { signal: io.signal })
  if (digest.sha256 !== sha256) throw new sdk.LocalFileError('CONTENT_UNAVAILABLE', 'the file has other bytes by now')
  return await client.signUpload({ file: path, filename, keyid }, { signal: io.signal })
}

/** What the server says of one signature and not of the next one, beside what it says of files. */
const OF_ONE: ReadonlySet<string> = new Set(['SIGNATURE_NOT_FOUND', 'KEY_NOT_SUITABLE'])

/** Returns why this one is not signed. Throws what ends the run. */
function ofOne(error: unknown): Failure {
  const failure = failureOf(error)
  if (failure !== undefined) return failure
  const { name, code, toJSON } = error as Readonly<{ name?: unknown; code?: unknown; toJSON?: () => Failure }>
  if (name !== 'ProblemError' || !OF_ONE.has(String(code)) || toJSON === undefined) throw error
  return toJSON.call(error)
}

/** Returns what waits until the next request may begin: so many a minute, evenly. What the server asks for besides, the client obeys. */
function createTurn({ io }: Session, rate: number): () => Promise<void> {
  const everyMs = 60_000 / rate
  let next = io.now()
  return async () => {
    const waitMs = next - io.now()
    next = Math.max(next, io.now()) + everyMs
    if (waitMs > 0) {
      await sleep(waitMs, undefined, { signal: io.signal }).catch(() => {
        throw io.signal.reason
      })
    }
  }
}

async function localContents({ sdk, terminal, io }: Session, folder: string): Promise<LocalContents> {
  const contents = new Map<string, string>()
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw new sdk.LocalFileError('FILE_UNREADABLE', `${folder} cannot be read (${error.code})`)
  })
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    // What cannot be signed is none of those that were.
    const found = await describeFile(path, { signal: io.signal }).catch((error: unknown) => {
      if (failureOf(error) === undefined) throw error
    })
    if (found !== undefined) contents.set(found.digest.sha256, path)
  }
  terminal.note(`${contents.size} files in ${folder}`)
  return contents
}
