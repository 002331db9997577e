import { Buffer } from 'node:buffer'
import type { ArchiveMember } from './liblpp.ts'

/** A file or directory that a fileset installs. `path` is absolute; `mode` holds the permission bits only. */
export type InventoryEntry =
  | Readonly<{ kind: 'directory'; path: string; mode: number }>
  | Readonly<{ kind: 'file'; path: string; mode: number; sizeBytes: number; sum: number }>

// What one sample of mkinstallp shows for a small package: room for the control files while they are read.
const WORK_SPACE_LINE = 'INSTWORK 16 16'
const FILE_SYSTEM_BLOCK_BYTES = 4096
const SIZE_UNIT_BYTES = 512
const SUM_BLOCK_BYTES = 1024

/**
 * Returns the control files of a fileset as they stand in `liblpp.a`: `.al` (the list of what is installed), `.inventory` (owner, mode,
 * size and checksum of each) and `.size`.
 * @see docs/formats/bff.md#liblppa
 */
export function controlFiles(fileset: string, entries: readonly InventoryEntry[]): ArchiveMember[] {
  return [
    { name: `${fileset}.al`, data: latin1(entries.map((entry) => `.${entry.path}\n`)) },
    { name: `${fileset}.inventory`, data: latin1(entries.map((entry) => stanza(fileset, entry))) },
    { name: `${fileset}.size`, data: latin1(sizeLines(entries).map((line) => `${line}\n`)) },
  ]
}

/** Returns the size lines of a fileset, for `.size` and for `lpp_name`: directory and 512-byte blocks, in the order of the names. */
export function sizeLines(entries: readonly InventoryEntry[]): string[] {
  const blocks = new Map<string, number>()
  for (const entry of entries) {
    const directory = entry.kind === 'directory' ? entry.path : entry.path.slice(0, Math.max(1, entry.path.lastIndexOf('/')))
    blocks.set(directory, (blocks.get(directory) ?? 0) + (entry.kind === 'file' ? blocksOf(entry.sizeBytes) : 0))
  }
  const lines = [...blocks].sort(([a], [b]) => (a < b ? -1 : 1)).map(([directory, count]) => `${directory} ${count}`)
  return [...lines, `/usr/lib/objrepos ${entries.length}`, WORK_SPACE_LINE]
}

/** Returns the checksum that `sum -r` prints: a 16-bit sum, rotated right by one before each byte. */
export function rotatingSum(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes) sum = ((sum >> 1) + ((sum & 1) << 15) + byte) & 0xffff
  return sum
}

function blocksOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / FILE_SYSTEM_BLOCK_BYTES) * (FILE_SYSTEM_BLOCK_BYTES / SIZE_UNIT_BYTES)
}

function stanza(fileset: string, entry: InventoryEntry): string {
  const attributes = [
    'owner = root',
    'group = system',
    `mode = ${entry.mode.toString(8)}`,
    `type = ${entry.kind === 'file' ? 'FILE' : 'DIRECTORY'}`,
    `class = apply,inventory,${fileset}`,
  ]
  if (entry.kind === 'file') {
    const blocks = String(Math.ceil(entry.sizeBytes / SUM_BLOCK_BYTES)).padStart(5)
    attributes.push(`size = ${entry.sizeBytes}`, `checksum = "${String(entry.sum).padStart(5, '0')}${blocks} "`)
  }
  return `${entry.path}:\n${attributes.map((attribute) => `          ${attribute}\n`).join('')}\n`
}

function latin1(lines: readonly string[]): Buffer {
  return Buffer.from(lines.join(''), 'latin1')
}
