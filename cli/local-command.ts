import { resolve } from 'node:path'
import { detachDsb } from '../sdk/local.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import { inspectCommand } from './inspect.ts'
import type { Invocation } from './invocation.ts'
import { logVerifyCommand } from './log-verify.ts'
import type { Bench } from './session.ts'
import { verifyOfflineCommand } from './verify-offline.ts'

/**
 * Runs a command that needs no server.
 * @throws LocalFileError about the one file that it is about
 */
export async function localCommand(bench: Bench, invocation: Invocation): Promise<ExitStatus> {
  switch (invocation.operation.word) {
    case 'inspect':
      return await inspectCommand(bench, invocation)
    case 'detach-dsb':
      return await detachCommand(bench, invocation)
    case 'log verify':
      return await logVerifyCommand(bench, invocation)
    default:
      return await verifyOfflineCommand(bench, invocation)
  }
}

async function detachCommand({ terminal, io }: Bench, { files, own }: Invocation): Promise<ExitStatus> {
  const output = own['output']
  const destination = typeof output === 'string' ? { output: resolve(io.cwd, output) } : { inPlace: true as const }
  const { path, block } = await detachDsb(resolve(io.cwd, files[0]!), { ...destination, signal: io.signal })
  terminal.note(`detached a block of ${block.length} bytes: ${path}`)
  return EXIT.done
}
