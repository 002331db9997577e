import { createHash, generateKeyPairSync } from 'node:crypto'
import { open, readFile, truncate, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { DSB_EYE_CATCHER, formatDsb, writePackage } from '../../../formats/index.ts'
import { copyFile, examineFile, hashFile, inspectFile, readWhole } from '../../../server/packages/read-file.ts'
import type { OpenFd } from '../../../server/packages/read-file.ts'
import { ACCEPTABLE_FORMATS } from '../../../server/schemas/format.ts'

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

/** A descriptor of which all bytes are wanted. */
function whole(fd: number, fileBytes: number): OpenFd {
  return { fd, fileBytes, sizeBytes: fileBytes }
}

const inspect = (file: OpenFd, accept: readonly (typeof ACCEPTABLE_FORMATS)[number][] = ACCEPTABLE_FORMATS) => inspectFile(file, { accept })

const BLOCK = formatDsb({ signature: Buffer.alloc(256, 9), key: { form: 'LOC', path: '/etc/security/certificates/example.pem' } })

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

void t.test('inspectFile', async (t) => {
  void t.test('returns package, type, filesets, both times, size and digest of an installp package', async (t) => {
    const { fd } = await fileWith(PACKAGE)
    t.strictSame(inspect(whole(fd, PACKAGE.length)), {
      sizeBytes: PACKAGE.length, sha256: sha256(PACKAGE), kind: 'installp',
      installp: { package: 'PkgB', ftype: 'S', filesets: FILESETS, builtAt: BUILT_AT, lppNameModifiedAt: BUILT_AT },
    })
  })

  void t.test('reads a package of several chunks to its last byte', async (t) => {
    for (const extra of [CHUNK_BYTES - PACKAGE.length, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 1]) {
      const bytes = Buffer.concat([PACKAGE, Buffer.alloc(extra, 7)])
      const { fd } = await fileWith(bytes)
      t.match(inspect(whole(fd, bytes.length)), { kind: 'installp', sha256: sha256(bytes) })
    }
  })

  void t.test('tells a table of contents and any other format by its content; what is not accepted is not read to its end', async (t) => {
    const rows = [
      ['0 041299112026 2\nU843218.bff 4 R S bos.iocp {\n', { kind: 'toc' }], ['plain text', 'other'], ['', 'other'],
      ['\x1f\x9dan interim fix', 'compress'], ['\xed\xab\xee\xdb lead', 'rpm'], [`${'\0'.repeat(257)}ustar`, 'tar'], ['\x1f\x8b\x08', 'gzip'], ['PK\x03\x04', 'zip'], ['\xfd7zXZ\0', 'xz'],
    ] as const
    for (const [content, want] of rows) {
      const bytes = Buffer.from(content, 'latin1')
      const { fd } = await fileWith(bytes)
      if (typeof want !== 'string') {
        t.strictSame(inspect(whole(fd, bytes.length)), want)
        continue
      }
      t.strictSame(inspect(whole(fd, bytes.length)), { kind: 'detached', format: want, sizeBytes: bytes.length, sha256: sha256(bytes) }, want)
      t.strictSame(inspectFile(whole(fd, bytes.length), { accept: ACCEPTABLE_FORMATS, sha256: Buffer.alloc(32, 5) }), { kind: 'detached', format: want, sizeBytes: bytes.length, sha256: Buffer.alloc(32, 5) }, 'a digest that is known is not computed again')
      t.strictSame(inspect(whole(fd, bytes.length), ACCEPTABLE_FORMATS.filter((format) => format !== want)), { kind: 'refused', format: want })
    }
    const { fd } = await fileWith(PACKAGE)
    t.strictSame(inspect(whole(fd, PACKAGE.length), ['rpm']), { kind: 'refused', format: 'installp' })
  })

  void t.test('covers a package that ends in a digital signature block without the block, which it shows', async (t) => {
    const bytes = Buffer.concat([PACKAGE, BLOCK])
    const { fd } = await fileWith(bytes)
    const want = { kind: 'installp', sizeBytes: PACKAGE.length, sha256: sha256(PACKAGE), dsb: { signature: Buffer.alloc(256, 9), keyPath: '/etc/security/certificates/example.pem' } }
    t.match(inspect(whole(fd, bytes.length)), want)
    t.match(inspectFile(whole(fd, bytes.length), { accept: ['installp'], sha256: sha256(bytes) }), want, 'the digest of the whole file is of no use then')
    t.match(inspectFile(whole(fd, bytes.length), { accept: ['installp'], sha256: sha256(bytes) }).kind, 'installp')
    const bare = await fileWith(PACKAGE)
    t.match(inspectFile(whole(bare.fd, PACKAGE.length), { accept: ['installp'], sha256: Buffer.alloc(32, 5) }), { sha256: Buffer.alloc(32, 5) }, 'and for a bare package it is that of what is signed')
  })

  void t.test('shows no key path of a block that holds the key itself', async (t) => {
    const pem = Buffer.from(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' }))
    const bytes = Buffer.concat([PACKAGE, formatDsb({ signature: Buffer.alloc(256, 9), key: { form: 'PEM', bytes: pem } }, { allowEmbeddedKey: true })])
    const { fd } = await fileWith(bytes)
    const info = inspect(whole(fd, bytes.length))
    t.strictSame('dsb' in info && info.dsb, { signature: Buffer.alloc(256, 9) })
  })

  void t.test('refuses every block that is not well formed, and one behind another, with its code', async (t) => {
    for (const [name, bytes, code] of badBlocks()) {
      const { fd } = await fileWith(bytes)
      t.throws(() => inspect(whole(fd, bytes.length)), { name: 'SigningError', code }, name)
      t.throws(() => examineFile(whole(fd, bytes.length)), { name: 'SigningError', code }, name)
    }
  })

  void t.test('refuses a damaged package with PACKAGE_MALFORMED and the code of the fault', async (t) => {
    const damaged = Buffer.from(PACKAGE)
    damaged.writeUInt8(damaged.readUInt8(12) ^ 1, 12)
    for (const [bytes, code] of [[PACKAGE.subarray(0, 100), 'BFF_TRUNCATED'], [damaged, 'BFF_CHECKSUM_WRONG']] as const) {
      const { fd } = await fileWith(bytes)
      const message = new RegExp(`^the file starts like an installp package but is none: .+ \\(${code}\\)$`)
      t.throws(() => inspect(whole(fd, bytes.length)), { name: 'SigningError', code: 'PACKAGE_MALFORMED', message, facts: { format: code } })
    }
  })

  void t.test('starts at the first byte whatever was read through the handle before, and leaves its position alone', async (t) => {
    const handle = await fileWith(PACKAGE)
    await handle.read(Buffer.alloc(10), 0, 10)
    t.match(inspect(whole(handle.fd, PACKAGE.length)), { sha256: sha256(PACKAGE) })
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4)
    t.same(buffer, PACKAGE.subarray(10, 14))
  })
})

/** Every line of blocks in the list of malformed inputs: what it is called, the file, the code. */
function badBlocks(): readonly (readonly [string, Buffer, 'DSB_MALFORMED' | 'DSB_STACKED'])[] {
  const changed = (change: (block: Buffer) => void): Buffer => {
    const block = Buffer.from(BLOCK)
    change(block)
    return Buffer.concat([PACKAGE, block])
  }
  const lengths = (value: number) => changed((block) => void (block.writeUInt32BE(value, 8), block.writeUInt32BE(value, block.length - 12)))
  return [
    ['the eye catcher alone', Buffer.concat([PACKAGE, Buffer.from(DSB_EYE_CATCHER)]), 'DSB_MALFORMED'],
    ['length 0', lengths(0), 'DSB_MALFORMED'],
    ['length 0x1000000', lengths(0x1000000), 'DSB_MALFORMED'],
    ['length 0xffffffff', lengths(0xffffffff), 'DSB_MALFORMED'],
    ['a length that is no multiple of 256', lengths(1025), 'DSB_MALFORMED'],
    ['a length above that of the file', lengths(0xff00), 'DSB_MALFORMED'],
    ['another length at its start', changed((block) => block.writeUInt32BE(1280, 8)), 'DSB_MALFORMED'],
    ['another length at its end', changed((block) => block.writeUInt32BE(1280, block.length - 12)), 'DSB_MALFORMED'],
    ['a signature region past its end', changed((block) => block.writeUInt32BE(0x10000, 0x14)), 'DSB_MALFORMED'],
    ['a key region past its end', changed((block) => block.writeUInt32BE(0xffffff00, 0x1c)), 'DSB_MALFORMED'],
    ['regions whose sum overflows 32 bits', changed((block) => void (block.writeUInt32BE(0xffffff00, 0x18), block.writeUInt32BE(0x200, 0x1c))), 'DSB_MALFORMED'],
    ['a key path with a blank', changed((block) => block.write('/etc /x', 0x200)), 'DSB_MALFORMED'],
    ['an unknown key type', changed((block) => block.writeUInt32BE(7, 0x20)), 'DSB_MALFORMED'],
    ['two of them', Buffer.concat([PACKAGE, BLOCK, BLOCK]), 'DSB_STACKED'],
    ['the end of another one in front', Buffer.concat([PACKAGE, Buffer.from(DSB_EYE_CATCHER), BLOCK]), 'DSB_STACKED'],
  ]
}

void t.test('examineFile says of any file what a signature over it is judged by', async (t) => {
  const damaged = Buffer.from(PACKAGE)
  damaged.writeUInt8(damaged.readUInt8(12) ^ 1, 12)
  const strange = Buffer.from(PACKAGE)
  strange.writeUInt8(0, 0)
  const rows: readonly [string, Buffer, boolean][] = [['a package', PACKAGE, true], ['a damaged one', damaged, false], ['one whose first byte was changed', strange, false], ['a text', Buffer.from('hello'), false], ['a table of contents', Buffer.from('0 010203042026 2\n'), false], ['nothing', Buffer.alloc(0), false]]
  for (const [name, bytes, isPackage] of rows) {
    for (const block of bytes.length === 0 ? [Buffer.alloc(0)] : [Buffer.alloc(0), BLOCK]) {
      const file = Buffer.concat([bytes, block])
      const { fd } = await fileWith(file)
      for (const known of [undefined, sha256(file)]) {
        const { installp, ...rest } = examineFile(whole(fd, file.length), known)
        const dsb = block.length === 0 ? {} : { dsb: { signature: Buffer.alloc(256, 9), keyPath: '/etc/security/certificates/example.pem' } }
        t.strictSame([rest, installp?.package], [{ sizeBytes: bytes.length, sha256: sha256(bytes), ...dsb }, isPackage ? 'PkgB' : undefined], `${name}, ${block.length} bytes of block`)
      }
    }
  }
  const block = await fileWith(BLOCK)
  t.throws(() => examineFile(whole(block.fd, BLOCK.length)), { code: 'DSB_MALFORMED' }, 'a block on an empty package')
})

void t.test('a file that cannot be read as it was opened', async (t) => {
  const readers = [inspect, examineFile, hashFile, (file: OpenFd) => readWhole(file, Buffer.alloc(32)), (file: OpenFd) => copyFile(file, file.fd)]

  void t.test('is refused with FILE_CHANGED when it has become longer or shorter', async (t) => {
    const { fd } = await fileWith(PACKAGE, 'r+')
    for (const read of readers) {
      for (const sizeBytes of [0, PACKAGE.length - 1, PACKAGE.length + 1]) {
        t.throws(() => read(whole(fd, sizeBytes)), { name: 'SigningError', code: 'FILE_CHANGED' }, `opened with ${sizeBytes} bytes`)
      }
    }
  })

  void t.test('is not read further than to where it ended when it was opened', async (t) => {
    const source = await fileWith(Buffer.alloc(4 * CHUNK_BYTES, 1))
    const target = await fileWith(Buffer.alloc(0), 'r+')
    t.throws(() => copyFile(whole(source.fd, CHUNK_BYTES + 1), target.fd), { code: 'FILE_CHANGED' })
    t.equal((await target.stat()).size, CHUNK_BYTES + 1)
  })

  void t.test('is refused with PATH_UNREADABLE when reading fails', async (t) => {
    const { fd } = await opened(folder, 'r')
    for (const read of readers) {
      t.throws(() => read(whole(fd, 1)), { name: 'SigningError', code: 'PATH_UNREADABLE', cause: { code: 'EISDIR' } })
    }
  })

  void t.test('is let go of when its reading is cancelled', async (t) => {
    const { fd } = await fileWith(PACKAGE)
    const cancel = new Int32Array(new SharedArrayBuffer(4))
    t.same(hashFile({ ...whole(fd, PACKAGE.length), cancel }), sha256(PACKAGE))
    Atomics.store(cancel, 0, 1)
    for (const read of readers) t.throws(() => read({ ...whole(fd, PACKAGE.length), cancel }), { message: 'the reading was cancelled' })
    const short = await fileWith(Buffer.from('0123456789'))
    t.throws(() => inspect(whole(short.fd, 20)), { code: 'FILE_CHANGED' })
  })
})

void t.test('copyFile', async (t) => {
  void t.test('writes the same bytes and returns their digest', async (t) => {
    const bytes = Buffer.concat([PACKAGE, Buffer.alloc(2 * CHUNK_BYTES, 3)])
    const source = await fileWith(bytes)
    const target = await fileWith(Buffer.alloc(0), 'r+')
    t.same(copyFile(whole(source.fd, bytes.length), target.fd), sha256(bytes))
    t.ok((await readFile(join(folder, String(files)))).equals(bytes))
    t.same(hashFile(whole(target.fd, bytes.length)), sha256(bytes))
  })

  void t.test('fails with STORAGE_FULL when there is no room', { skip: process.platform !== 'linux' && 'needs /dev/full' }, async (t) => {
    const { fd } = await fileWith(PACKAGE)
    const full = await opened('/dev/full', 'w')
    t.throws(() => copyFile(whole(fd, PACKAGE.length), full.fd), { name: 'SigningError', code: 'STORAGE_FULL', cause: { code: 'ENOSPC' } })
  })

  void t.test('fails with INTERNAL when the copy cannot be written otherwise', async (t) => {
    const { fd } = await fileWith(PACKAGE)
    t.throws(() => copyFile(whole(fd, PACKAGE.length), fd), { name: 'SigningError', code: 'INTERNAL', cause: { code: 'EBADF' } })
  })
})

void t.test('readWhole returns the bytes whose digest is known, and no others', async (t) => {
  const bytes = Buffer.alloc(CHUNK_BYTES + 10, 'a whole file ')
  const { fd } = await fileWith(bytes)
  t.ok(readWhole(whole(fd, bytes.length), sha256(bytes)).equals(bytes))
  t.ok(readWhole({ ...whole(fd, bytes.length), sizeBytes: 5 }, sha256(bytes.subarray(0, 5))).equals(bytes.subarray(0, 5)))
  t.throws(() => readWhole(whole(fd, bytes.length), sha256(bytes.subarray(1))), { code: 'FILE_CHANGED' })
})

void t.test('hashFile returns the digest of a sparse file, holes as zeros', async (t) => {
  const handle = await fileWith(PACKAGE, 'r+')
  const sizeBytes = PACKAGE.length + CHUNK_BYTES
  await truncate(join(folder, String(files)), sizeBytes)
  t.same(hashFile(whole(handle.fd, sizeBytes)), sha256(Buffer.concat([PACKAGE, Buffer.alloc(CHUNK_BYTES)])))
})
