import { resolve } from 'node:path'
import { callCommand, checkForm } from './call.ts'
import { checkCombination, checkExport } from './combinations.ts'
import { MAIN_WORD } from './command-table.ts'
import { loadCredentials } from './credentials.ts'
import { dsblkchkStatus, EXIT, type ExitStatus } from './exit-status.ts'
import { explainConnection, explainFailure, explainLocal, explainStop } from './explain.ts'
import { needsServer, type Invocation } from './invocation.ts'
import type { Bench, Session } from './session.ts'
import { formatAddress, resolveSettings, type Settings } from './settings.ts'
import { signCommand, type SignWays } from './sign.ts'
import { createTerminal, type Io, type Stop, type Terminal } from './terminal.ts'

/**
 * Does what was asked for, over one connection where a server is needed, and returns the exit status. The path of an argument starts at
 * `io.cwd`.
 * @throws UsageError when flags, settings or credentials have a fault
 */
export async function perform(invocation: Invocation, io: Io): Promise<ExitStatus> {
  checkCombination(invocation)
  const terminal = createTerminal(io, invocation.quiet)
  const settings = await resolveSettings(invocation.settings, io)
  checkForm(invocation.operation, settings.output)
  checkExport(invocation, io)
  const given = { invocation, settings, terminal, io }
  const status = needsServer(invocation) ? await atServer(given) : await onBench(given)
  return invocation.own['dsblkchk'] === true && status.early ? dsblkchkStatus(status.exit) : status.exit
}

type Given = Readonly<{ invocation: Invocation; settings: Settings; terminal: Terminal; io: Io }>

/** How a run ended; early, where it has no result. */
type Ended = Readonly<{ exit: ExitStatus; early: boolean }>

async function atServer({ invocation, settings, terminal, io }: Given): Promise<Ended> {
  const credentials = await loadCredentials(settings, io.platform)
  // After the checks, which need no undici.
  const sdk = await import('../sdk/core.ts')
  const address = formatAddress(settings)
  let connected = false
  const onConnect = () => {
    if (!connected) terminal.note(`connected to ${address}`)
    connected = true
  }
  const work = async (): Promise<ExitStatus> => {
    await using client = sdk.createClient({ baseUrl: `https://${address}`, ...credentials, timeoutMs: settings.timeoutMs, onConnect })
    return await command({ client, sdk, settings, terminal, io }, invocation)
  }
  const ended = await work().then((exit) => ({ exit, early: false }), (error: unknown) => ({ exit: explain(error, { sdk, settings, terminal, io }), early: true }))
  if (connected) terminal.note('connection ended')
  return ended
}

type Perform = (session: Session, invocation: Invocation) => Promise<ExitStatus>

/** The commands that do more than call an operation and print its answer; each is loaded when it is asked for. */
const COMMANDS_OF_THEIR_OWN: Readonly<Record<string, () => Promise<Perform>>> = {
  verify: async () => (await import('./verify.ts')).verifyCommand,
  report: async () => (await import('./report.ts')).reportCommand,
  resign: async () => (await import('./resign.ts')).resignCommand,
  'log audit': async () => (await import('./log-audit.ts')).auditCommand,
  'log checkpoint': async () => (await import('./log-text.ts')).checkpointCommand,
  'log key': async () => (await import('./log-text.ts')).logKeyCommand,
  'log tile': async () => (await import('./log-text.ts')).tileCommand,
}

const OPERATIONS_OF_THEIR_OWN: typeof COMMANDS_OF_THEIR_OWN = {
  exportSignature: async () => (await import('./export.ts')).exportCommand,
  exportKey: async () => (await import('./export.ts')).exportCommand,
  findSignatures: async () => (await import('./find-signatures.ts')).findSignaturesCommand,
}

async function command(session: Session, invocation: Invocation): Promise<ExitStatus> {
  const { settings, io: { cwd } } = session
  const { operation, members, own } = invocation
  const load = COMMANDS_OF_THEIR_OWN[operation.word] ?? OPERATIONS_OF_THEIR_OWN[operation.operation]
  if (load !== undefined) return await (await load())(session, invocation)
  const path = typeof members['path'] === 'string' ? { path: resolve(cwd, members['path']) } : {}
  if (operation.word !== MAIN_WORD) return await callCommand(session, operation, { ...members, ...path })
  const { idempotencyKey } = own
  const keeper = own['attach'] === true || own['detach'] === true ? (await import('./keeper.ts')).createKeeper(session, own) : undefined
  const ways: SignWays = { keeper, ...(typeof idempotencyKey === 'string' ? { idempotencyKey } : {}) }
  if (own['upload'] === true || own['digest'] === true) return await (await import('./sign-local.ts')).signLocal(session, invocation, ways)
  const keyid = settings.keyid === undefined ? {} : { keyid: settings.keyid }
  return await signCommand(session, { path: cwd, ...members, ...path, ...keyid }, ways)
}

function explain(error: unknown, { sdk, settings, terminal, io }: Omit<Session, 'client'>): ExitStatus {
  if (io.signal.aborted) return explainStop(terminal, io.signal.reason as Stop)
  if (error instanceof sdk.ConnectionError) return explainConnection(terminal, error, settings)
  if (error instanceof sdk.LocalFileError) return explainLocal(terminal, 'sign', error)
  if (!(error instanceof sdk.ProblemError)) throw error
  explainFailure(terminal, 'sign', error)
  return EXIT.refused
}

/** What needs no server needs no credentials either, and no undici. */
async function onBench({ invocation, settings, terminal, io }: Given): Promise<Ended> {
  const [{ LocalFileError }, { localCommand }] = await Promise.all([import('../sdk/local-error.ts'), import('./local-command.ts')])
  const bench: Bench = { settings, terminal, io }
  try {
    return { exit: await localCommand(bench, invocation), early: false }
  } catch (error) {
    if (io.signal.aborted) return { exit: explainStop(terminal, io.signal.reason as Stop), early: true }
    if (!(error instanceof LocalFileError)) throw error
    return { exit: explainLocal(terminal, invocation.files[0]!, error), early: true }
  }
}
