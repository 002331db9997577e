import { open } from 'node:fs/promises'
import { linesOf } from './lines.ts'
import { UsageError } from './usage-error.ts'

/** A signature of a report, as far as it is needed to sign the same again. */
export type Reported = Readonly<{ id: string; filename: string; sha256: string; sizeBytes: number; keyid: string; source: string }>

type Members = Readonly<Record<string, unknown>>

/**
 * Yields the signatures of a file that `sign report` wrote, in its order and in flat memory: a line `{"client":…,"signature":{…}}` each, the last line
 * `{"report":{"signatures":NUMBER,…}}`. Whether a report is whole shows at its end, so it is read to its end before anything is done with it.
 * @throws UsageError with the line that is none, or for a report that is cut off
 */
export async function* readReport(path: string): AsyncGenerator<Reported, void, undefined> {
  await using handle = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError([`${path}: cannot be read (${error.code})`])
  })
  let [line, count] = [0, 0]
  let promised: number | undefined
  const refuse = (what: string) => new UsageError([`${path}:${line}: ${what}`], ['name a file that `sign report --out` wrote'])
  for await (const text of linesOf(handle)) {
    line += 1
    if (promised !== undefined) throw refuse('there is something behind the last line of the report')
    const value = parse(text)
    promised = promisedCount(value)
    if (promised !== undefined) continue
    const reported = reportedIn(value)
    if (reported === undefined) throw refuse('is no line of a report')
    count += 1
    yield reported
  }
  if (promised === undefined) throw refuse('the report is cut off: its last line is missing')
  if (promised !== count) throw refuse(`the report says that it has ${promised} signatures, and it has ${count}`)
}

function parse(text: string): Members {
  try {
    return membersOf(JSON.parse(text))
  } catch {
    return {}
  }
}

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null ? (value as Members) : {}
}

function promisedCount({ report }: Members): number | undefined {
  const { signatures } = membersOf(report)
  return Number.isSafeInteger(signatures) ? (signatures as number) : undefined
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function reportedIn({ client, signature }: Members): Reported | undefined {
  const { id, filename, sha256, sizeBytes, keyid, source } = membersOf(signature)
  const isSound = typeof client === 'string' && matches(id, UUID) && matches(sha256, /^[0-9a-f]{64}$/) && matches(keyid, /^[0-9]{1,10}$/) && matches(filename, /^[^/\0]+$/) && matches(source, /^[a-z]+$/)
  return isSound && Number.isSafeInteger(sizeBytes) ? { id, filename, sha256, sizeBytes: sizeBytes as number, keyid, source } as Reported : undefined
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value)
}
