import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { FORMAT_HEAD_BYTES, recogniseFormat } from '../recognise.ts'
import { createDsbDetector } from '../signature/dsb-detector.ts'
import { createBffReader } from './bff.ts'
import { FILE_TYPE } from './bff-record.ts'
import { parseLppName } from './lpp-name.ts'
import type { FileFormat, OtherFormat } from '../recognise.ts'
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

/** What a file is, by its content: a package, a table of contents (`.toc`), or something else, perhaps of a format that is recognised. */
export type PackageScan = InstallpScan | Readonly<{ kind: 'toc' }> | Readonly<{ kind: 'other'; format: OtherFormat }>

/** What a scanner knows so far: `undecided`, or the `kind` it will end with, unless a file that starts like a package is none. */
export type PackageVerdict = 'undecided' | PackageScan['kind']

/** A push scanner: it wants every chunk of a file, in order, and answers at the end. */
export type PackageScanner = Readonly<{
  /** Takes the next bytes; keeps no reference to `chunk`. @throws FormatError see {@link createPackageScanner} */
  push(chunk: Uint8Array): void
  /** Returns what is certain after at most {@link FORMAT_HEAD_BYTES} bytes; whoever wants packages only can stop reading then. */
  verdict(): PackageVerdict
  /** Says that there are no more bytes, and returns what the file is. @throws FormatError see {@link createPackageScanner} */
  end(): PackageScan
}>

/** `./lpp_name` is the second member of a real package; it is looked for among this many. */
const LPP_NAME_MEMBERS_MAX = 16

/** The longest `lpp_name` accepted, in bytes. */
export const LPP_NAME_BYTES_MAX = 1024 * 1024

const LPP_NAME = './lpp_name'

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
  let format: FileFormat | undefined

  function push(chunk: Uint8Array): void {
    dsb.push(chunk)
    if (format === undefined) pushHead(chunk)
    else if (format === 'installp') search.push(chunk)
  }

  function pushHead(chunk: Uint8Array): void {
    const taken = chunk.subarray(0, FORMAT_HEAD_BYTES - head.length)
    head = Buffer.concat([head, taken])
    const looksLike = recogniseFormat(head)
    // The mark of a package is the first thing looked for: four bytes decide. For anything else the whole head does.
    if (looksLike === 'installp' || head.length === FORMAT_HEAD_BYTES) format = looksLike
    if (format !== 'installp') return
    search.push(head)
    search.push(chunk.subarray(taken.length))
  }

  function end(): PackageScan {
    format ??= recogniseFormat(head)
    if (format === 'toc') return { kind: 'toc' }
    if (format !== 'installp') return { kind: 'other', format }
    return { ...search.end(), dsb: dsb.isDetected() }
  }

  function verdict(): PackageVerdict {
    if (format === undefined) return 'undecided'
    return format === 'installp' || format === 'toc' ? format : 'other'
  }
  return { push, verdict, end }
}

type LppNameSearch = Readonly<{ push(chunk: Uint8Array): void; end(): Omit<InstallpScan, 'dsb'> }>

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

  function end(): Omit<InstallpScan, 'dsb'> {
    reader.end()
    // A reader that ends without an error was stopped by us, or has come to an end record, and that is an error.
    return found as Omit<InstallpScan, 'dsb'>
  }
  return { push: reader.push, end }
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
