import { createVerify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { packageChunks, writePackage } from '../../formats/index.ts'
import type { PackageSource } from '../../formats/index.ts'
import type { Signature } from '../../server/schemas/signature.ts'

/** The source of a package of one fileset, `<name>.rte 1.0.0.0`, unless told otherwise. */
export function packageSource(name = 'PkgA', changes: Partial<PackageSource> = {}): PackageSource {
  return { package: name, type: 'I', builtAt: 1_375_425_475, filesets: [{ fileset: `${name}.rte`, vrmf: '1.0.0.0' }], payload: [{ path: `/usr/${name}/README`, bytes: Buffer.from(name) }], ...changes }
}

/** Writes a package into a directory as `<name>.1.0.0.0.bff`, or as `filename`; returns the path. */
export function putPackage(directory: string, name = 'PkgA', { filename, ...changes }: Partial<PackageSource> & Readonly<{ filename?: string }> = {}): string {
  const path = join(directory, filename ?? `${name}.1.0.0.0.bff`)
  writeFileSync(path, writePackage(packageSource(name, changes)))
  return path
}

/** Writes `total` packages with names that sort as they count; returns the file names in order. */
export function putPackages(directory: string, total: number): readonly string[] {
  const names = Array.from({ length: total }, (_, index) => `Pkg${String(index).padStart(4, '0')}`)
  for (const name of names) putPackage(directory, name)
  return names.map((name) => `${name}.1.0.0.0.bff`)
}

/** Writes a package whose payload is `sizeBytes` of zeros, as a file with holes, in flat memory; returns the path. */
export function putLargePackage(directory: string, sizeBytes: number, name = 'PkgLarge'): string {
  const path = join(directory, `${name}.1.0.0.0.bff`)
  const fd = openSync(path, 'wx')
  let position = 0
  for (const chunk of packageChunks(packageSource(name, { payload: [{ path: `/usr/${name}/data`, size: sizeBytes }] }))) {
    const isHole = chunk.length >= 65_536 && Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).equals(Buffer.alloc(chunk.length))
    if (!isHole) writeSync(fd, chunk, 0, chunk.length, position)
    position += chunk.length
  }
  ftruncateSync(fd, position)
  closeSync(fd)
  return path
}

/** Whether every signature of an answer's entry verifies over the whole file, as node:crypto sees it: none of our own code has a say. */
export function isSignatureOf({ signature, records }: Signature, file: string, publicKey: KeyObject): boolean {
  const bytes = readFileSync(file)
  const texts = [signature, ...records.map((record) => record.signature)]
  return records.length > 0 && texts.every((text) => createVerify('RSA-SHA256').update(bytes).verify(publicKey, text, 'base64'))
}
