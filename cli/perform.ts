import { resolve } from 'node:path'
import type { SignRequest } from '../sdk/index.ts'
import { callCommand, checkForm } from './call.ts'
import { MAIN_WORD } from './command-table.ts'
import { loadCredentials } from './credentials.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import { explainConnection, explainFailure, explainStop } from './explain.ts'
import type { Invocation } from './program.ts'
import type { Session } from './session.ts'
import { formatAddress, resolveSettings } from './settings.ts'
import { signCommand } from './sign.ts'
import { createTerminal, type Io, type Stop } from './terminal.ts'

/**
 * Does what was asked for, over one connection, and returns the exit status. The path of an argument starts at `io.cwd`.
 * @throws UsageError when settings or credentials have a fault
 */
export async function perform(invocation: Invocation, io: Io): Promise<ExitStatus> {
  const terminal = createTerminal(io, invocation.quiet)
  const settings = await resolveSettings(invocation.settings, io)
  checkForm(invocation.operation, settings.output)
  const credentials = await loadCredentials(settings, io.platform)
  // After the checks, which need no undici.
  const sdk = await import('../sdk/index.ts')
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
  const status = await work().catch((error: unknown) => explain(error, { sdk, settings, terminal, io }))
  if (connected) terminal.note('connection ended')
  return status
}

async function command(session: Session, { operation, members }: Invocation): Promise<ExitStatus> {
  const { settings, io: { cwd } } = session
  const path = typeof members['path'] === 'string' ? { path: resolve(cwd, members['path']) } : {}
  if (operation.word !== MAIN_WORD) return await callCommand(session, operation, { ...members, ...path })
  const keyid = settings.keyid === undefined ? {} : { keyid: settings.keyid }
  return await signCommand(session, { path: cwd, ...members, ...path, ...keyid } satisfies SignRequest)
}

function explain(error: unknown, { sdk, settings, terminal, io }: Omit<Session, 'client'>): ExitStatus {
  if (io.signal.aborted) return explainStop(terminal, io.signal.reason as Stop)
  if (error instanceof sdk.ConnectionError) return explainConnection(terminal, error, settings)
  if (!(error instanceof sdk.ProblemError)) throw error
  explainFailure(terminal, 'sign', error)
  return EXIT.refused
}
