import { resolve } from 'node:path'
import { writeNewFile } from '../sdk/local.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import type { Invocation } from './invocation.ts'
import { jsonDocument, jsonLine } from './output.ts'
import { printable } from './printable.ts'
import type { Session } from './session.ts'

/** Prints the newest checkpoint of the log, a signed note as it is. @throws ProblemError, ConnectionError */
export async function checkpointCommand(session: Session): Promise<ExitStatus> {
  const checkpoint = await session.client.getCheckpoint({ signal: session.io.signal })
  return await printText(session, { checkpoint }, checkpoint)
}

/** Prints the key that the server says is the log's. @throws ProblemError, ConnectionError */
export async function logKeyCommand(session: Session): Promise<ExitStatus> {
  const logKey = await session.client.getLogKey({ signal: session.io.signal })
  return await printText(session, { logKey }, `${logKey}\n`)
}

async function printText({ settings: { output }, terminal }: Session, value: object, text: string): Promise<ExitStatus> {
  if (output === 'json') await terminal.out(jsonDocument(value))
  else if (output === 'ndjson') await terminal.out(jsonLine(value))
  else await terminal.out(text.split('\n').map(printable).join('\n'))
  return EXIT.done
}

/**
 * Writes a tile or a bundle of the log, as it is, to stdout or where `--output` says; there only under a new name.
 * @throws LocalFileError `FILE_EXISTS`, `FILE_UNWRITABLE`; ProblemError, ConnectionError
 */
export async function tileCommand({ client, terminal, io }: Session, { members, own }: Invocation): Promise<ExitStatus> {
  const bytes = await client.getTile({ tile: String(members['tile']) }, { signal: io.signal })
  if (typeof own['output'] !== 'string') {
    await terminal.bytes(bytes)
    return EXIT.done
  }
  const path = resolve(io.cwd, own['output'])
  await writeNewFile(path, bytes)
  terminal.note(`written: ${path}`)
  return EXIT.done
}
