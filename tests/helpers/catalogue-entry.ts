import { randomUUID } from 'node:crypto'
import type { CatalogueEntry } from '../../server/store/store.ts'

/** What a test may want to choose of an entry. */
export type EntryChoice = Readonly<{ id?: string; client?: string; relativePath?: string; sizeBytes?: number; modifiedAtMs?: number; filesets?: readonly string[] }>

/** A catalogue entry that a real signature could have left: one record per fileset of package PkgA, `PkgA.rte` unless told otherwise. */
export function catalogueEntry(choice: EntryChoice = {}): CatalogueEntry {
  const { id = randomUUID(), client = 'release-bot', relativePath = 'ppc/PkgA.bff', sizeBytes = 51_200, modifiedAtMs = 1_375_425_475_000 } = choice
  const signature = Buffer.alloc(256, id).toString('base64')
  const records = (choice.filesets ?? ['PkgA.rte']).map((fileset) =>
    ({ keyid: '1001', package: 'PkgA', timestamp: '1375425475', fileset, ftype: 'I', vrmf: '1.0.0.0', signature }))
  return {
    client,
    spkiSha256: 'ab'.repeat(32),
    file: { root: 'nim', relativePath, sizeBytes, modifiedAtMs },
    signature: {
      id,
      filename: relativePath.slice(relativePath.lastIndexOf('/') + 1),
      format: 'installp',
      source: 'path',
      sha256: '0f'.repeat(32),
      sizeBytes,
      keyid: '1001',
      algorithm: 'rsa-2048-sha256',
      covers: 'file',
      signature,
      signedAt: '2026-11-24T05:06:07.089Z',
      replayed: false,
      records,
    },
  }
}
