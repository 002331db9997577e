import { open, type FileHandle } from 'node:fs/promises'
import type { Proven, Signature } from '../sdk/index.ts'
import { verifyProof, verifyReceipt } from '../sdk/local.ts'
import { fileFailure, type Failure } from './failure.ts'
import { linesOf } from './lines.ts'
import type { LocalFile } from './local-files.ts'
import type { Bench } from './session.ts'

/** What one proof of a file shows, under the name of what it is about; or why the file as a whole, or its end, is not what it should be. */
export type FileProof = Readonly<{ name: string; proven: Proven | Unproven }>

/** Why nothing is shown, beyond what is wrong with a proof itself. */
export type Unproven = Readonly<{ valid: false; reason: string; detail: string }>

type Found = Readonly<{ name: string; signature: unknown; client?: unknown }>
type Value = Readonly<Record<string, unknown>>

const PROOF_HEAD = 'c2sp.org/tlog-proof@'

/**
 * Yields what every proof in a file shows: a `.tlog-proof`; or each signature, by its receipt, of a JSON document or of NDJSON lines as the API
 * and this command line write them. In flat memory, but for a document.
 */
export async function* proofsOf({ io }: Bench, file: LocalFile, logKey: string): AsyncGenerator<FileProof | Failure, void, undefined> {
  const unproven = (reason: string, detail: string): FileProof => ({ name: file.name, proven: { valid: false, reason, detail } })
  try {
    await using handle = await open(file.path)
    if ((await headOf(handle)) === PROOF_HEAD) return yield { name: file.name, proven: verifyProof(await handle.readFile(), logKey) }
    let count = 0
    for await (const value of valuesOf(handle)) {
      io.signal.throwIfAborted()
      if (value === undefined) return yield unproven('NOT_UNDERSTOOD', 'it is neither a proof of a log nor JSON')
      const promised = promisedCount(value)
      if (promised !== undefined && promised !== count) yield unproven('INCOMPLETE', `the report says that it has ${promised} signatures, and it has ${count}`)
      for (const found of signaturesIn(value)) {
        count += 1
        yield { name: found.name, proven: prove(found, logKey) }
      }
    }
    if (count === 0) yield unproven('NO_RECEIPT', 'there is no signature in it')
  } catch (error) {
    yield fileFailure(error)
  }
}

async function headOf(handle: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(PROOF_HEAD.length), 0, PROOF_HEAD.length, 0)
  return buffer.toString('latin1', 0, bytesRead)
}

/** Yields the objects of NDJSON lines, or the one of a document; undefined for what is neither. */
async function* valuesOf(handle: FileHandle): AsyncGenerator<Value | undefined, void, undefined> {
  let lines = 0
  let text = ''
  for await (const line of linesOf(handle)) {
    const value = text === '' ? parse(line) : undefined
    if (value === undefined && lines > 0) return yield undefined
    // A first line that is no object is the beginning of a document.
    if (value === undefined) text += `${line}\n`
    else {
      lines += 1
      yield value
    }
  }
  if (text !== '') yield parse(text)
}

function parse(text: string): Value | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Value) : undefined
  } catch {
    return undefined
  }
}

/** The last line of a report says how many there are. */
function promisedCount({ report }: Value): number | undefined {
  const { signatures } = (report ?? {}) as Readonly<{ signatures?: unknown }>
  return typeof signatures === 'number' ? signatures : undefined
}

/** Every signature in a value, whatever answer or event of the API it is. */
function signaturesIn(value: Value): readonly Found[] {
  const { signatures, items, signature, receipt, name, filename, client } = value
  if (Array.isArray(signatures)) return signatures.flatMap((one: Value) => signaturesIn(one))
  if (Array.isArray(items)) return items.flatMap((one: Value) => (one['signature'] === undefined ? [] : signaturesIn(one)))
  if (typeof signatures === 'object' && signatures !== null) return Object.entries(signatures).flatMap(([key, one]) => withAlso({ name: key, signature: one as unknown }))
  if (receipt !== undefined) return withAlso({ name: String(filename), signature: value })
  if (typeof signature !== 'object' || signature === null) return []
  return withAlso({ name: String(name ?? filename ?? (signature as Value)['filename']), signature, ...(client === undefined ? {} : { client }) })
}

/** A signature, and those that other keys made with it in an overlap. */
function withAlso(found: Found): readonly Found[] {
  const { also } = (found.signature ?? {}) as Value
  return [found, ...(Array.isArray(also) ? also.map((signature: unknown) => ({ ...found, signature })) : [])]
}

function prove({ signature, client }: Found, logKey: string): Proven | Unproven {
  if (!hasReceipt(signature)) return { valid: false, reason: 'NO_RECEIPT', detail: 'the signature has no receipt' }
  const proven = verifyReceipt(signature, logKey)
  if (!proven.valid || client === undefined || proven.entry.client === client) return proven
  return { valid: false, reason: 'LOG_ENTRY_DIFFERS', detail: 'the entry in the log is another one in client' }
}

function hasReceipt(value: unknown): value is Signature {
  const { receipt, records } = (value ?? {}) as Value
  const { entry, path, checkpoint } = (receipt ?? {}) as Value
  const isSound = typeof entry === 'string' && typeof checkpoint === 'string' && Array.isArray(path) && path.every((hash) => typeof hash === 'string')
  return isSound && Array.isArray(records) && records.every((record) => typeof record === 'object' && record !== null)
}
