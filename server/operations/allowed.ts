import { SigningError, type ErrorCode } from '../errors.ts'
import type { InstallpInfo } from '../packages/package-info.ts'
import { decide } from '../policy/decide.ts'
import type { Format } from '../schemas/format.ts'
import type { Caller } from './caller.ts'

/**
 * Refuses a file that is larger than the client may have signed or verified, as soon as it is open.
 * @throws SigningError `FILE_TOO_LARGE`
 */
export function checkSize({ policy, identity, client }: Caller, fileBytes: number): void {
  if (decide(policy, identity, { kind: 'size', fileBytes }).kind === 'allow') return
  throw new SigningError('FILE_TOO_LARGE', `the file has ${fileBytes} bytes; maxFileBytes of this client is ${client.maxFileBytes}`)
}

/** Reads a file for a client and counts its bytes, also where they are no use; but not those of a file that was looked at and left alone. */
export async function metered<T>({ spend }: Caller, fileBytes: number, read: () => Promise<T>): Promise<T> {
  const result = await read().catch((error: unknown) => {
    if (!(error instanceof SigningError && LEFT_ALONE.has(error.code))) spend?.(fileBytes)
    throw error
  })
  spend?.(fileBytes)
  return result
}

const LEFT_ALONE: ReadonlySet<ErrorCode> = new Set(['NOT_A_PACKAGE', 'FORMAT_NOT_ACCEPTED', 'FILE_TOO_LARGE'])

/**
 * Refuses what the client may not have signed, once it is known what it is and before anything else is asked: what was signed for
 * somebody else is not handed out either. `info` is that of a package; what is none has no fileset that could be allowed.
 * @throws SigningError `FORMAT_NOT_ALLOWED`, `FILESET_NOT_ALLOWED`
 */
export function checkContent({ policy, identity, client }: Caller, { format, info }: Readonly<{ format: Format; info?: InstallpInfo | undefined }>): void {
  if (decide(policy, identity, { kind: 'format', format }).kind === 'deny') throw new SigningError('FORMAT_NOT_ALLOWED', `this client may not have files of format ${format} signed`)
  const filesets = info?.filesets.map(({ fileset }) => fileset) ?? []
  if (decide(policy, identity, { kind: 'filesets', filesets }).kind === 'allow') return
  const names = filesets.filter((fileset) => decide(policy, identity, { kind: 'filesets', filesets: [fileset] }).kind === 'deny')
  throw new SigningError('FILESET_NOT_ALLOWED', names.length === 0 ? 'this client may have named filesets signed, and this has none' : `this client may not have fileset ${names[0]} signed`, { client: client.name, filesets: names })
}
