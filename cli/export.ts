import { resolve } from 'node:path'
import type { ExportedFile, KeyForm, SignatureForm } from '../sdk/index.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import type { Invocation } from './invocation.ts'
import { printable } from './printable.ts'
import type { Session } from './session.ts'
import type { Io } from './terminal.ts'
import { UsageError } from './usage-error.ts'

const BINARY: ReadonlySet<unknown> = new Set(['sig', 'dsb'])

/**
 * Refuses bytes that would go to a terminal, and forms of an answer that a file does not have, before anything is asked.
 * @throws UsageError
 */
export function checkExport({ operation, members, own, settings }: Invocation, { stdout }: Pick<Io, 'stdout'>): void {
  if (operation.operation === 'exportSignature' && BINARY.has(members['form']) && own['output'] === undefined && stdout.isTTY === true) {
    throw new UsageError([`the form ${String(members['form'])} is binary and no text for a terminal`], ['write it to a file with --output, or into a pipe'])
  }
  if (operation.operation === 'exportKey' && settings['output'] !== undefined) throw new UsageError(['--output does not go with --form: what comes is a file, as it is'])
}

/**
 * Gets a signature or a key as a file and writes it, as it is, to stdout or where `--output` says; there only under a new name.
 * @throws ProblemError, ConnectionError; LocalFileError `FILE_EXISTS`, `FILE_UNWRITABLE`
 */
export async function exportCommand(session: Session, { operation, members, own }: Invocation): Promise<ExitStatus> {
  const { client, terminal, io, sdk } = session
  const options = { signal: io.signal }
  const file = operation.operation === 'exportKey'
    ? await client.exportKey({ keyid: String(members['keyid']), form: members['form'] as KeyForm }, options)
    : await client.exportSignature({ id: String(members['id']), form: members['form'] as SignatureForm }, options)
  if (typeof own['output'] !== 'string') {
    await terminal.bytes(io.stdout.isTTY === true ? textOf(file) : file.bytes)
    return EXIT.done
  }
  const path = resolve(io.cwd, own['output'])
  await sdk.writeNewFile(path, file.bytes)
  terminal.note(`written: ${path}`)
  return EXIT.done
}

/** Text from a server, made harmless for a terminal. */
function textOf({ bytes }: ExportedFile): Buffer {
  return Buffer.from(bytes.toString('utf8').split('\n').map(printable).join('\n'))
}
