import { resolve } from 'node:path'
import type { ExportedFile, KeyForm, SignatureForm } from '../sdk/index.ts'
import { writeNewFile } from '../sdk/local.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import type { Invocation } from './invocation.ts'
import { printable } from './printable.ts'
import type { Session } from './session.ts'

/**
 * Gets a signature or a key as a file and writes it, as it is, to stdout or where `--output` says; there only under a new name.
 * @throws ProblemError, ConnectionError; LocalFileError `FILE_EXISTS`, `FILE_UNWRITABLE`
 */
export async function exportCommand(session: Session, { operation, members, own }: Invocation): Promise<ExitStatus> {
  const { client, terminal, io } = session
  const options = { signal: io.signal }
  const file = operation.operation === 'exportKey'
    ? await client.exportKey({ keyid: String(members['keyid']), form: members['form'] as KeyForm }, options)
    : await client.exportSignature({ id: String(members['id']), form: members['form'] as SignatureForm }, options)
  if (typeof own['output'] !== 'string') {
    await terminal.bytes(io.stdout.isTTY === true ? textOf(file) : file.bytes)
    return EXIT.done
  }
  const path = resolve(io.cwd, own['output'])
  await writeNewFile(path, file.bytes)
  terminal.note(`written: ${path}`)
  return EXIT.done
}

/** Text from a server, made harmless for a terminal. */
function textOf({ bytes }: ExportedFile): Buffer {
  return Buffer.from(bytes.toString('utf8').split('\n').map(printable).join('\n'))
}
