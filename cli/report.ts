import type { FileHandle } from 'node:fs/promises'
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { FindSignaturesRequest } from '../sdk/index.ts'
import { placeFile } from '../sdk/local.ts'
import { startCounter } from './counter.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import type { Invocation } from './invocation.ts'
import { jsonLine } from './output.ts'
import type { Session } from './session.ts'
import { formatAddress } from './settings.ts'
import { UsageError } from './usage-error.ts'

type Filters = FindSignaturesRequest

/**
 * Writes every signature that fits with its receipt, a line each, to stdout or, whole or not at all, into a new file. The last line is
 * `{"report":{"signatures":NUMBER,…}}`: without it a report is not complete.
 * @throws UsageError for a file that is there already; LocalFileError `FILE_UNWRITABLE`; ProblemError, ConnectionError
 */
export async function reportCommand(session: Session, { members, own }: Invocation): Promise<ExitStatus> {
  const { terminal, io } = session
  const filters = members as Filters
  if (typeof own['out'] !== 'string') {
    const count = await writeLines(session, filters, terminal.out)
    terminal.note(summary(count, filters))
    return EXIT.done
  }
  const path = resolve(io.cwd, own['out'])
  if (await access(path).then(() => true, () => false)) throw new UsageError([`${path} is there already`], ['name another file, or remove it'])
  let count = 0
  await placeFile(path, { over: false, write: async (handle) => void (count = await writeLines(session, filters, writer(handle))) })
  await terminal.out(`${summary(count, filters)}\n`)
  terminal.note(`written: ${path}`)
  return EXIT.done
}

function writer(handle: FileHandle): (text: string) => Promise<void> {
  return async (text) => await handle.writeFile(text)
}

/** Enough for a write to be worth its while. */
const BLOCK_CHARS = 65_536

async function writeLines(session: Session, filters: Filters, write: (text: string) => Promise<void>): Promise<number> {
  const { client, io, settings } = session
  const counter = startCounter(session)
  let count = 0
  let block = ''
  try {
    for await (const found of client.findAllSignatures(filters, { signal: io.signal })) {
      count += 1
      block += jsonLine(found)
      counter.show(`${count} signatures`)
      if (block.length < BLOCK_CHARS) continue
      await write(block)
      block = ''
    }
  } finally {
    counter.stop()
  }
  await write(`${block}${jsonLine({ report: { signatures: count, server: formatAddress(settings), ...filters } })}`)
  return count
}

function summary(count: number, { keyid, client, since, until, ...others }: Filters): string {
  const more = Object.entries(others).map(([name, value]) => ` with ${name} ${value}`)
  const parts = [
    `${count} signature${count === 1 ? '' : 's'}`,
    ...(keyid === undefined ? [] : [` of key ${keyid}`]),
    ...(client === undefined ? [] : [` for ${client}`]),
    ...more,
    ...(since === undefined ? [] : [` since ${since}`]),
    ...(until === undefined ? [] : [` until ${until}`]),
  ]
  return `report: ${parts.join('')}, each with the receipt that proves it`
}
