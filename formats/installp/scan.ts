import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { createDsbDetector } from '../signature/dsb.ts'
import { createBffReader } from './bff.ts'
import { FILE_TYPE } from './bff-record.ts'
import { BFF_MAGIC, BFF_MAGIC_UNSUPPORTED } from './bff-steps.ts'
import { parseLppName } from './lpp-name.ts'
import { TOC_HEAD_BYTES, isTocHead } from './toc.ts'
import type { FileRecord } from './bff-record.ts'
import type { LppName } from './lpp-name.ts'

/** An installp package, as far as a signature record needs it. `vrmf` is canonical; times are seconds since 1970. */
export type InstallpScan = Readonly<{
  kind: 'installp'
  package: string
  ftype: string
  filesets: readonly Readonly<{ fileset: string; vrmf: string }>[]
  /** The date of the volume record: when the package was built. */
  builtAt: number
  lppNameModifiedAt: number
  /** The file ends in the eye catcher of a digital signature block (well-formed or not). */
  dsb: boolean
}>

/** What a file is, by its content: a package, a table of contents (`.toc`), or neither. */
export type PackageScan = InstallpScan | Readonly<{ kind: 'toc' }> | Readonly<{ kind: 'other' }>

/** A push scanner: it wants every chunk of a file, in order, and answers at the end. */
export type PackageScanner = Readonly<{
  /** Takes the next bytes; keeps no reference to `chunk`. @throws FormatError see {@link createPackageScanner} */
  push(chunk: Uint8Array): void
  /** Says that there are no more bytes, and returns what the file is. @throws FormatError see {@link createPackageScanner} */
  end(): PackageScan
}>

/** `./lpp_name` is the second member of a real package; it is looked for among this many. */
const LPP_NAME_MEMBERS_MAX = 16

/** The longest `lpp_name` accepted, in bytes. */
export const LPP_NAME_BYTES_MAX = 1024 * 1024

const LPP_NAME = './lpp_name'
const MAGIC_BYTES = 4

/**
 * Returns a scanner that tells what a file is while its bytes go by. Once `lpp_name` is read (in a real package within the first few
 * kilobytes) a push costs the copy of eight bytes, and memory stays under a few megabytes for any input.
 *
 * A file that does not start like a package is no error: it is `toc` or `other`. One that does, and then is not one, throws FormatError:
 * any code of the reader and of `parseLppName`, `LPP_NAME_MISSING`, `LPP_NAME_TOO_LONG`. Nothing behind `lpp_name` is looked at but the
 * last bytes of the file, so the answer does not depend on how the file is cut into chunks.
 */
export function createPackageScanner(): PackageScanner {
  const dsb = createDsbDetector()
  const search = createLppNameSearch()
  let head = Buffer.alloc(0)
  let phase: 'head' | 'package' | 'done' = 'head'

  function push(chunk: Uint8Array): void {
    dsb.push(chunk)
    if (phase === 'head') pushHead(chunk)
    else if (phase === 'package') pushPackage(chunk)
  }

  function pushHead(chunk: Uint8Array): void {
    const taken = chunk.subarray(0, TOC_HEAD_BYTES - head.length)
    head = Buffer.concat([head, taken])
    if (head.length < MAGIC_BYTES) return
    if (isPackageMagic(head)) {
      pushPackage(head)
      pushPackage(chunk.subarray(taken.length))
    } else if (head.length === TOC_HEAD_BYTES) {
      phase = 'done'
    }
  }

  function pushPackage(chunk: Uint8Array): void {
    phase = 'package'
    search.push(chunk)
    if (search.found() !== undefined) phase = 'done'
  }

  function end(): PackageScan {
    if (phase === 'package') search.end()
    const found = search.found()
    if (found !== undefined) return { ...found, dsb: dsb.isDetected() }
    return { kind: isTocHead(head) ? 'toc' : 'other' }
  }
  return { push, end }
}

type LppNameSearch = Readonly<{ push(chunk: Uint8Array): void; end(): void; found(): Omit<InstallpScan, 'dsb'> | undefined }>

/** Feeds the reader until `lpp_name` is there, and then stops it. */
function createLppNameSearch(): LppNameSearch {
  let builtAt = 0
  let members = 0
  let lppNameModifiedAt = 0
  let text = Buffer.alloc(0)
  let filled = 0
  let found: Omit<InstallpScan, 'dsb'> | undefined

  const reader = createBffReader({
    onVolume: (volume) => { builtAt = volume.date },
    onMember: (member) => {
      members += 1
      if (members > LPP_NAME_MEMBERS_MAX) throw missing()
      if (member.name !== LPP_NAME) return false
      checkLppNameMember(member)
      lppNameModifiedAt = member.mtime
      text = Buffer.alloc(member.sizeBytes)
      return true
    },
    onData: (chunk) => {
      text.set(chunk, filled)
      filled += chunk.length
    },
    onMemberEnd: () => {
      found = { ...describe(parseLppName(text)), builtAt, lppNameModifiedAt }
      text = Buffer.alloc(0)
      reader.stop()
    },
    onEnd: () => { throw missing() },
  })
  return { push: reader.push, end: reader.end, found: () => found }
}

function describe({ package: name, type, filesets }: LppName): Pick<InstallpScan, 'kind' | 'package' | 'ftype' | 'filesets'> {
  return { kind: 'installp', package: name, ftype: type, filesets: filesets.map(({ fileset, vrmf }) => ({ fileset, vrmf })) }
}

function checkLppNameMember(member: FileRecord): void {
  if ((member.mode & FILE_TYPE.mask) !== FILE_TYPE.regular) throw missing()
  if (member.sizeBytes > LPP_NAME_BYTES_MAX) {
    throw new FormatError('LPP_NAME_TOO_LONG', `lpp_name is longer than ${LPP_NAME_BYTES_MAX} bytes`)
  }
}

function missing(): FormatError {
  return new FormatError('LPP_NAME_MISSING', `no file lpp_name is among the first ${LPP_NAME_MEMBERS_MAX} members of the package`)
}

function isPackageMagic(head: Buffer): boolean {
  const magic = head.toString('hex', 0, MAGIC_BYTES)
  return magic === BFF_MAGIC || magic === BFF_MAGIC_UNSUPPORTED
}
