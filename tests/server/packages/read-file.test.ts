import { createHash } from 'node:crypto'
import { open, readFile, truncate, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { DSB_EYE_CATCHER, writePackage } from '../../../formats/index.ts'
import { copyFile, hashFile, inspectFile } from '../../../server/packages/read-file.ts'

const BUILT_AT = 1_375_425_475
const FILESETS = [{ fileset: 'PkgB.rte', vrmf: '7.3.2.1' }, { fileset: 'PkgB.data', vrmf: '7.3.2.0' }]
const PACKAGE = writePackage({ package: 'PkgB', type: 'S', filesets: FILESETS, builtAt: BUILT_AT })

/** The longest read, so that a file of more takes several. */
const CHUNK_BYTES = 256 * 1024

const folder = t.testdir()
let files = 0

async function fileWith(bytes: Uint8Array, flags = 'r'): Promise<FileHandle> {
  files += 1
  const path = join(folder, String(files))
  await writeFile(path, bytes)
  return opened(path, flags)
}

async function opened(path: string, flags: string): Promise<FileHandle> {
  const handle = await open(path, flags)
  t.teardown(() => handle.close())
  return handle
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

void t.test('inspectFile', async (t) => {
  void t.test('returns package, type, filesets, both times, size and digest of an installp package', async (t) => {
    const { fd } = await fileWith(PACKAGE)
    t.strictSame(inspectFile({ fd, sizeBytes: PACKAGE.length }), {
      sizeBytes: PACKAGE.length, sha256: sha256(PACKAGE), kind: 'installp',
      installp: { package: 'PkgB', ftype: 'S', filesets: FILESETS, builtAt: BUILT_AT, lppNameModifiedAt: BUILT_AT },
    })
  })

  void t.test('reads a package of several chunks to its last byte', async (t) => {
    for (const extra of [CHUNK_BYTES - PACKAGE.length, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 1]) {
      const bytes = Buffer.concat([PACKAGE, Buffer.alloc(extra, 7)])
      const { fd } = await fileWith(bytes)
      t.match(inspectFile({ fd, sizeBytes: bytes.length }), { kind: 'installp', sha256: sha256(bytes) })
    }
  })

  void t.test('tells a table of contents and any other file by their content', async (t) => {
    for (const [content, kind] of [['0 041299112026 2\nU843218.bff 4 R S bos.iocp {\n', 'toc'], ['plain text', 'other'], ['', 'other']] as const) {
      const bytes = Buffer.from(content)
      const { fd } = await fileWith(bytes)
      t.strictSame(inspectFile({ fd, sizeBytes: bytes.length }), { kind, sizeBytes: bytes.length, sha256: sha256(bytes) })
    }
  })

  void t.test('refuses a package that ends in a digital signature block with PACKAGE_HAS_DSB', async (t) => {
    const bytes = Buffer.concat([PACKAGE, Buffer.from(DSB_EYE_CATCHER)])
    const { fd } = await fileWith(bytes)
    t.throws(() => inspectFile({ fd, sizeBytes: bytes.length }), { name: 'SigningError', code: 'PACKAGE_HAS_DSB' })
  })

  void t.test('refuses a damaged package with PACKAGE_MALFORMED and the code of the fault', async (t) => {
    const damaged = Buffer.from(PACKAGE)
    damaged.writeUInt8(damaged.readUInt8(12) ^ 1, 12)
    for (const [bytes, code] of [[PACKAGE.subarray(0, 100), 'BFF_TRUNCATED'], [damaged, 'BFF_CHECKSUM_WRONG']] as const) {
      const { fd } = await fileWith(bytes)
      const message = new RegExp(`^the file starts like an installp package but is none: .+ \\(${code}\\)$`)
      t.throws(() => inspectFile({ fd, sizeBytes: bytes.length }), { name: 'SigningError', code: 'PACKAGE_MALFORMED', message, facts: { format: code } })
    }
  })

  void t.test('starts at the first byte whatever was read through the handle before, and leaves its position alone', async (t) => {
    const handle = await fileWith(PACKAGE)
    await handle.read(Buffer.alloc(10), 0, 10)
    t.match(inspectFile({ fd: handle.fd, sizeBytes: PACKAGE.length }), { sha256: sha256(PACKAGE) })
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4)
    t.same(buffer, PACKAGE.subarray(10, 14))
  })
})

void t.test('a file that cannot be read as it was opened', async (t) => {
  const readers = [inspectFile, hashFile, ({ fd, sizeBytes }: { fd: number; sizeBytes: number }) => copyFile({ fd, sizeBytes }, fd)]

  void t.test('is refused with FILE_CHANGED when it has become longer or shorter', async (t) => {
    const { fd } = await fileWith(PACKAGE, 'r+')
    for (const read of readers) {
      for (const sizeBytes of [0, PACKAGE.length - 1, PACKAGE.length + 1]) {
        t.throws(() => read({ fd, sizeBytes }), { name: 'SigningError', code: 'FILE_CHANGED' }, `opened with ${sizeBytes} bytes`)
      }
    }
  })

  void t.test('is not read further than the chunk in which it turns out longer', async (t) => {
    const source = await fileWith(Buffer.alloc(4 * CHUNK_BYTES, 1))
    const target = await fileWith(Buffer.alloc(0), 'r+')
    t.throws(() => copyFile({ fd: source.fd, sizeBytes: CHUNK_BYTES + 1 }, target.fd), { code: 'FILE_CHANGED' })
    t.equal((await target.stat()).size, CHUNK_BYTES)
  })

  void t.test('is refused with PATH_UNREADABLE when reading fails', async (t) => {
    const { fd } = await opened(folder, 'r')
    for (const read of readers) {
      t.throws(() => read({ fd, sizeBytes: 1 }), { name: 'SigningError', code: 'PATH_UNREADABLE', cause: { code: 'EISDIR' } })
    }
  })

  void t.test('is let go of when its reading is cancelled', async (t) => {
    const { fd } = await fileWith(PACKAGE)
    const cancel = new Int32Array(new SharedArrayBuffer(4))
    t.same(hashFile({ fd, sizeBytes: PACKAGE.length, cancel }), sha256(PACKAGE))
    Atomics.store(cancel, 0, 1)
    t.throws(() => hashFile({ fd, sizeBytes: PACKAGE.length, cancel }), { message: 'the reading was cancelled' })
  })
})

void t.test('copyFile', async (t) => {
  void t.test('writes the same bytes and returns their digest', async (t) => {
    const bytes = Buffer.concat([PACKAGE, Buffer.alloc(2 * CHUNK_BYTES, 3)])
    const source = await fileWith(bytes)
    const target = await fileWith(Buffer.alloc(0), 'r+')
    t.same(copyFile({ fd: source.fd, sizeBytes: bytes.length }, target.fd), sha256(bytes))
    t.ok((await readFile(join(folder, String(files)))).equals(bytes))
    t.same(hashFile({ fd: target.fd, sizeBytes: bytes.length }), sha256(bytes))
  })

  void t.test('fails with STORAGE_FULL when there is no room', { skip: process.platform !== 'linux' && 'needs /dev/full' }, async (t) => {
    const { fd } = await fileWith(PACKAGE)
    const full = await opened('/dev/full', 'w')
    t.throws(() => copyFile({ fd, sizeBytes: PACKAGE.length }, full.fd), { name: 'SigningError', code: 'STORAGE_FULL', cause: { code: 'ENOSPC' } })
  })

  void t.test('fails with INTERNAL when the copy cannot be written otherwise', async (t) => {
    const { fd } = await fileWith(PACKAGE)
    t.throws(() => copyFile({ fd, sizeBytes: PACKAGE.length }, fd), { name: 'SigningError', code: 'INTERNAL', cause: { code: 'EBADF' } })
  })
})

void t.test('hashFile returns the digest of a sparse file, holes as zeros', async (t) => {
  const handle = await fileWith(PACKAGE, 'r+')
  const sizeBytes = PACKAGE.length + CHUNK_BYTES
  await truncate(join(folder, String(files)), sizeBytes)
  t.same(hashFile({ fd: handle.fd, sizeBytes }), sha256(Buffer.concat([PACKAGE, Buffer.alloc(CHUNK_BYTES)])))
})
