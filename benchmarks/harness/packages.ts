import { createHash } from 'node:crypto'
import { ftruncateSync, mkdirSync, closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { packageChunks, type PackageSource } from '../../formats/index.ts'

const KIB = 1024
export const MIB = 1024 * KIB
/** What a package has beside its payload, near enough: directories, `lpp_name`, `liblpp.a`. */
const FRAME_BYTES = 2 * KIB

/** A folder of packages of one size. `paths` in name order. */
export type Packages = Readonly<{ directory: string; paths: readonly string[]; count: number; sizeBytes: number }>

/** The source of a package of about `sizeBytes`, one fileset, its payload zeros. A level has one content, so each size has a level of its own. */
export function packageSource(name: string, sizeBytes: number): PackageSource {
  const vrmf = `1.${Math.floor(sizeBytes / MIB)}.${Math.floor(sizeBytes / KIB) % KIB}.${sizeBytes % KIB}`
  return { package: name, type: 'I', builtAt: 1_375_425_475, filesets: [{ fileset: `${name}.rte`, vrmf }], payload: [{ path: `/usr/${name}/data`, size: Math.max(sizeBytes - FRAME_BYTES, 0) }] }
}

/** The source of a package as {@link packageSource}, its payload bytes that look random and are always the same; up to some MiB. */
function filledSource(name: string, sizeBytes: number): PackageSource {
  const source = packageSource(name, sizeBytes)
  return { ...source, payload: [{ path: `/usr/${name}/data`, bytes: noise(name, Math.max(sizeBytes - FRAME_BYTES, 0)) }] }
}

/** Writes `count` packages of about `sizeBytes` each into `root`/`folder`, with our own writer. What is larger than 16 MiB has zeros as payload, really written. */
export function writePackages(root: string, folder: string, { count, sizeBytes }: Readonly<{ count: number; sizeBytes: number }>): Packages {
  const directory = join(root, folder)
  mkdirSync(directory)
  const names = Array.from({ length: count }, (_, index) => `Pkg${String(index).padStart(5, '0')}`)
  const paths = names.map((name) => join(directory, `${name}.1.0.0.0.bff`))
  for (const [index, name] of names.entries()) {
    const fd = openSync(paths[index] as string, 'wx')
    const source = sizeBytes > 16 * MIB ? packageSource(name, sizeBytes) : filledSource(name, sizeBytes)
    let position = 0
    for (const chunk of packageChunks(source)) position += writeSync(fd, chunk, 0, chunk.length, position)
    ftruncateSync(fd, position)
    closeSync(fd)
  }
  return { directory, paths, count, sizeBytes }
}

function noise(seed: string, length: number): Buffer {
  const block = Buffer.concat(Array.from({ length: 64 }, (_, index) => createHash('sha256').update(`${seed} ${index}`).digest()))
  return Buffer.alloc(length, block)
}

/**
 * Members of a request that signs what may have been signed before: a benchmark wants a new signature each time, where the server can be
 * asked for one. `openapi` is the text of its document.
 */
export function signingAnew(openapi: string): Readonly<{ force?: true }> {
  const { components } = parse(openapi) as { components: { schemas: { SignPathRequest: { properties: Record<string, unknown> } } } }
  return 'force' in components.schemas.SignPathRequest.properties ? { force: true } : {}
}
