import type { DescribedFile } from '../sdk/index.ts'
import { describeFile } from '../sdk/local.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import { hintLine } from './explain.ts'
import { failureOf } from './failure.ts'
import { inFlight } from './in-flight.ts'
import type { Invocation } from './invocation.ts'
import { expandFiles, type LocalFile } from './local-files.ts'
import { jsonDocument, jsonLine } from './output.ts'
import { printable } from './printable.ts'
import type { Bench } from './session.ts'

/**
 * Prints what local files are: blocks of text, or `{ "files": [ … ] }`. A file that cannot be read, or is damaged, is said on stderr.
 * Returns `notSigned` when there was one.
 * @throws UsageError for a pattern that matches nothing
 */
export async function inspectCommand({ settings, terminal, io }: Bench, { files: names }: Invocation): Promise<ExitStatus> {
  const files = await expandFiles(names, io.cwd)
  const described: Inspected[] = []
  let failures = 0
  const look = async ({ name, path }: LocalFile, signal: AbortSignal) => ({ name, found: await describeFile(path, { signal }).catch((error: unknown) => failureOf(error) ?? Promise.reject(error as Error)) })
  // One after the other, in the order in which they were named.
  for await (const { name, found } of inFlight(files, { limit: 1, signal: io.signal }, look)) {
    if ('code' in found) {
      failures += 1
      terminal.line(`${name}: ${found.code} ${found.detail}`)
      terminal.line(hintLine(found))
      continue
    }
    const inspected = inspectedFile(name, found)
    if (settings.output === 'text') await terminal.out(`${described.length === 0 ? '' : '\n'}${block(inspected)}`)
    if (settings.output === 'ndjson') await terminal.out(jsonLine(inspected))
    described.push(inspected)
  }
  if (settings.output === 'json') await terminal.out(jsonDocument({ files: described }))
  return failures === 0 ? EXIT.done : EXIT.notSigned
}

/** What is said of a file, as JSON has it. `sizeBytes` and `sha256` are of the bytes that a signature covers. */
type Inspected = Readonly<{ name: string; format: string; package?: string; ftype?: string; filesets?: DescribedFile['filesets']; builtAt?: string; sizeBytes: number; sha256: string; dsb?: object | null }>

function inspectedFile(name: string, { format, package: packageName, ftype, filesets, builtAt, sizeBytes, digest, dsb }: DescribedFile): Inspected {
  const signed = { sizeBytes, sha256: digest.sha256 }
  if (format !== 'installp') return { name, format, ...signed }
  const about = { package: packageName!, ftype: ftype!, filesets: filesets!, builtAt: new Date(builtAt! * 1000).toISOString() }
  return { name, format, ...about, ...signed, dsb: dsb === undefined ? null : inspectedDsb(dsb) }
}

function inspectedDsb({ bytes, signature, key }: NonNullable<DescribedFile['dsb']>): object {
  const facts = { sizeBytes: bytes.length, signatureRegionBytes: signature.length, keyForm: key.form }
  return key.form === 'LOC' ? { ...facts, keyPath: key.path } : { ...facts, keyBytes: key.bytes.length }
}

function block(inspected: Inspected): string {
  return Object.entries(inspected).map(([member, value]) => `${member}: ${printable(valueText(value as Shown))}\n`).join('')
}

type Shown = NonNullable<Inspected[keyof Inspected]> | null

function valueText(value: Shown): string {
  if (Array.isArray(value)) return (value as NonNullable<DescribedFile['filesets']>).map(({ fileset, vrmf }) => `${fileset} ${vrmf}`).join(', ')
  if (value === null) return 'none'
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  return Object.entries(value).map(([name, part]) => `${name} ${part}`).join(', ')
}
