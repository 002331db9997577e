import { execFileSync } from 'node:child_process'
import { createHash, sign as cryptoSign } from 'node:crypto'
import { appendFileSync, chmodSync, closeSync, existsSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { formatDsb, writePackage } from '../../formats/index.ts'
import { attachDsb, describeFile, detachDsb, examineFile, LOCAL_FILE_ERROR_CODES, LocalFileError, writeNewFile, type Destination } from '../../sdk/index.ts'
import { fileFault } from '../../sdk/local-error.ts'
import { placeFile } from '../../sdk/place-file.ts'
import { checkUnchanged, fileChunks } from '../../sdk/read-file.ts'
import { packageSource } from '../helpers/packages.ts'
import { rsaKeyPair } from '../helpers/signables.ts'

const runs = { numRuns: 100 * Number(process.env['TEST_FULL_FACTOR'] ?? 1) }
const PATH = '/etc/security/certificates/example.pem'
const PACKAGE = writePackage(packageSource('PkgA'))
const pair = rsaKeyPair()
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const signatureOf = (bytes: Uint8Array) => cryptoSign('sha256', bytes, pair.privateKey)
const blockOf = (signature: Uint8Array) => formatDsb({ signature, key: { form: 'LOC', path: PATH } })
const BLOCK = blockOf(signatureOf(PACKAGE))
const OTHER = blockOf(Buffer.alloc(256, 7))

/** A file of its own in the folder of the test. */
function put(t: Test, content: string | Uint8Array, name = 'PkgA.bff'): string {
  const path = join(t.testdirName, name)
  mkdirSync(t.testdirName, { recursive: true })
  writeFileSync(path, content)
  return path
}

const leftovers = (t: Test) => readdirSync(t.testdirName).filter((name) => name.endsWith('.tmp'))

void t.test('a local file is described by its content', async (t) => {
  t.testdir()
  const path = put(t, PACKAGE)
  const about = { package: 'PkgA', ftype: 'I', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }], builtAt: 1_375_425_475 }
  const signed = { filename: 'PkgA.bff', sizeBytes: PACKAGE.length, digest: { sha256: sha256(PACKAGE) }, format: 'installp' }
  t.strictSame(await describeFile(path), { ...signed, ...about })
  appendFileSync(path, BLOCK)
  const dsb = { bytes: BLOCK, signature: signatureOf(PACKAGE), key: { form: 'LOC', path: PATH } }
  t.strictSame(await describeFile(path), { ...signed, ...about, dsb }, 'a block is not what is signed')
  const text = put(t, 'hello', 'notes.txt')
  t.strictSame(await describeFile(text), { filename: 'notes.txt', sizeBytes: 5, digest: { sha256: sha256(Buffer.from('hello')) }, format: 'other' })
  t.match(await describeFile(put(t, '', 'empty')), { sizeBytes: 0, format: 'other', digest: { sha256: sha256(Buffer.alloc(0)) } })
})

void t.test('what is wrong with a file has a code', async (t) => {
  t.testdir({ folder: {} })
  const table = [
    ['a package that is cut off', { given: put(t, PACKAGE.subarray(0, 300), 'cut'), want: 'PACKAGE_MALFORMED' }],
    ['a block with a wrong length', { given: put(t, Buffer.concat([PACKAGE, BLOCK.subarray(0, -12), Buffer.from('00000300', 'hex'), BLOCK.subarray(-8)]), 'bad'), want: 'DSB_MALFORMED' }],
    ['two blocks', { given: put(t, Buffer.concat([PACKAGE, OTHER, BLOCK]), 'two'), want: 'DSB_STACKED' }],
    ['no file', { given: join(t.testdirName, 'none'), want: 'FILE_UNREADABLE' }],
    ['a directory', { given: join(t.testdirName, 'folder'), want: 'FILE_KIND_REFUSED' }],
  ] as const
  for (const [name, { given, want }] of table) await t.rejects(describeFile(given), { name: 'LocalFileError', code: want }, name)
  t.match(fileFault('FILE_UNREADABLE', Object.assign(new Error(), { code: 'EIO' })), { detail: 'the file cannot be read (EIO)' })
  t.match(fileFault('FILE_UNWRITABLE', new Error('x')), { detail: 'the file cannot be written (unknown fault)' })
  for (const code of LOCAL_FILE_ERROR_CODES) t.match(new LocalFileError(code, 'it is so'), { code, message: /^it is so\. [A-Z].*\.$/ })
  if (process.platform !== 'win32') {
    execFileSync('mkfifo', [join(t.testdirName, 'fifo')])
    await t.rejects(describeFile(join(t.testdirName, 'fifo')), { code: 'FILE_KIND_REFUSED', detail: /pipe/ }, 'a FIFO is not waited for')
  }
})

void t.test('a file that is written while it is read is FILE_CHANGED', async (t) => {
  t.testdir()
  const path = put(t, Buffer.alloc(1_000_000, 1), 'large')
  await using handle = await open(path)
  const read = async () => {
    for await (const chunk of fileChunks(handle, { end: 1_000_000 })) if (chunk.length > 0) truncateSync(path, 10)
  }
  await t.rejects(read(), { code: 'FILE_CHANGED' })
  const stats = await handle.stat()
  await checkUnchanged(handle, stats)
  utimesSync(path, 1, 1)
  await t.rejects(checkUnchanged(handle, stats), { code: 'FILE_CHANGED' })
  const reason = new Error('enough')
  await t.rejects(describeFile(path, { signal: AbortSignal.abort(reason) }), reason)
  await handle.close()
  const closed = async () => await Array.fromAsync(fileChunks(handle, { end: 1 }))
  await t.rejects(closed(), { code: 'FILE_UNREADABLE' })
})

void t.test('any file can be examined: damage makes it other bytes, a damaged block does not', async (t) => {
  t.testdir()
  const broken = Buffer.concat([PACKAGE.subarray(0, 300), BLOCK])
  t.match(await examineFile(put(t, broken)), { format: 'installp', sizeBytes: 300, digest: { sha256: sha256(PACKAGE.subarray(0, 300)) }, dsb: { bytes: BLOCK } })
  t.match(await examineFile(put(t, Buffer.concat([Buffer.from('text'), BLOCK]))), { format: 'other', sizeBytes: 4, dsb: { bytes: BLOCK } })
  t.strictSame(Object.keys(await examineFile(put(t, 'text'))), ['filename', 'format', 'sizeBytes', 'digest'])
  t.match(await examineFile(put(t, PACKAGE)), { package: 'PkgA' })
  await t.rejects(examineFile(put(t, Buffer.concat([PACKAGE, OTHER, BLOCK]))), { code: 'DSB_STACKED' })
})

void t.test('attached and detached again, a package is the original, for any block and any place', async (t) => {
  t.testdir()
  const attach = (path: string, to: Destination) => attachDsb(path, BLOCK, { ...to, sha256: sha256(PACKAGE) })
  const path = put(t, PACKAGE)
  chmodSync(path, 0o751)
  const output = join(t.testdirName, 'PkgA.signed')
  t.equal(await attach(path, { output }), output)
  t.ok(readFileSync(path).equals(PACKAGE))
  t.ok(readFileSync(output).equals(Buffer.concat([PACKAGE, BLOCK])))
  t.equal(statSync(output).mode & 0o777, 0o751)
  t.equal(await attach(path, { output }), output, 'once more is nothing new')
  writeFileSync(output, 'mine')
  await t.rejects(attach(path, { output }), { code: 'FILE_EXISTS' })
  t.equal(readFileSync(output, 'utf8'), 'mine')
  await t.rejects(attach(path, { output: join(t.testdirName, 'none', 'x') }), { code: 'FILE_UNWRITABLE' })

  const link = join(t.testdirName, 'link')
  symlinkSync('PkgA.bff', link)
  t.equal(await attach(link, { inPlace: true }), path, 'the file behind a link is what changes')
  t.ok(readFileSync(link).equals(Buffer.concat([PACKAGE, BLOCK])))
  await t.rejects(attachDsb(path, OTHER, { inPlace: true, sha256: sha256(PACKAGE) }), { code: 'DSB_PRESENT' })
  await attachDsb(path, OTHER, { inPlace: true, sha256: sha256(PACKAGE), replace: true })
  t.ok(readFileSync(path).equals(Buffer.concat([PACKAGE, OTHER])))
  const bare = join(t.testdirName, 'bare')
  t.strictSame(await detachDsb(path, { output: bare }), { path: bare, block: OTHER })
  t.ok(readFileSync(bare).equals(PACKAGE))
  t.strictSame(await detachDsb(path, { inPlace: true }), { path, block: OTHER })
  t.ok(readFileSync(path).equals(PACKAGE))
  await t.rejects(detachDsb(path, { inPlace: true }), { code: 'DSB_MISSING' })
  t.strictSame(leftovers(t), [])

  const signatures = fc.uint8Array({ minLength: 1, maxLength: 1024 })
  await fc.assert(fc.asyncProperty(signatures, async (signature) => {
    const block = blockOf(signature)
    await attachDsb(path, block, { inPlace: true, sha256: sha256(PACKAGE) })
    const there = readFileSync(path)
    const { block: removed } = await detachDsb(path, { inPlace: true })
    return there.equals(Buffer.concat([PACKAGE, block])) && removed.equals(block) && readFileSync(path).equals(PACKAGE)
  }), { numRuns: Math.ceil(runs.numRuns / 4) })
})

void t.test('nothing is attached to what was not signed, is no package, or by what is no block, and nothing is left behind', async (t) => {
  t.testdir()
  const path = put(t, PACKAGE)
  const wanted = { inPlace: true, sha256: sha256(PACKAGE) } as const
  await t.rejects(attachDsb(path, BLOCK, { ...wanted, sha256: 'ab'.repeat(32) }), { code: 'DSB_MISMATCH' })
  await t.rejects(attachDsb(path, BLOCK.subarray(1), wanted), { code: 'DSB_MALFORMED', detail: /^what should be attached is no Digital Signature Block: / })
  await t.rejects(attachDsb(join(t.testdirName, 'none'), BLOCK, wanted), { code: 'FILE_UNREADABLE' })
  await t.rejects(attachDsb(put(t, 'text', 'text'), BLOCK, wanted), { code: 'NOT_A_PACKAGE' })
  await t.rejects(detachDsb(put(t, Buffer.concat([PACKAGE, OTHER, BLOCK]), 'two'), { inPlace: true }), { code: 'DSB_STACKED' })
  const reason = new Error('enough')
  await t.rejects(attachDsb(path, BLOCK, { ...wanted, signal: AbortSignal.abort(reason) }), reason)
  await t.rejects(attachDsb(path, BLOCK, { output: join(t.testdirName, 'new'), sha256: sha256(PACKAGE), signal: AbortSignal.abort(reason) }), reason)
  t.ok(readFileSync(path).equals(PACKAGE))
  t.strictSame(leftovers(t), [])
})

void t.test('a run that is aborted in the middle leaves the original alone', async (t) => {
  t.testdir()
  const large = writePackage(packageSource('PkgL', { payload: [{ path: '/usr/PkgL/data', size: 3_000_000 }] }))
  const path = put(t, large)
  const reason = new Error('enough')
  for (const after of [5, 15, 25, 35]) {
    let looks = 0
    const signal = { throwIfAborted: () => {
      looks += 1
      if (looks > after) throw reason
    } } as unknown as AbortSignal
    await t.rejects(attachDsb(path, blockOf(signatureOf(large)), { inPlace: true, sha256: sha256(large), signal }), reason, `after ${after} pieces`)
    t.ok(readFileSync(path).equals(large))
  }
  t.strictSame(leftovers(t), [])
})

void t.test('a package that another process replaces or changes meanwhile stays as that one left it', async (t) => {
  t.testdir()
  const path = put(t, PACKAGE)
  const changes: readonly (readonly [string, () => void])[] = [
    ['written to', () => utimesSync(path, 1, 1)],
    ['replaced', () => {
      writeFileSync(`${path}.new`, PACKAGE)
      execFileSync('mv', [`${path}.new`, path])
    }],
    ['removed', () => execFileSync('rm', [path])],
  ]
  for (const [name, change] of changes) {
    writeFileSync(path, PACKAGE)
    // Every piece that is read looks at the signal: the last ones are those of the new file.
    let looks = 0
    const signal = { throwIfAborted: () => {
      looks += 1
      if (looks === 3) change()
    } } as unknown as AbortSignal
    await t.rejects(attachDsb(path, BLOCK, { inPlace: true, sha256: sha256(PACKAGE), signal }), { code: 'FILE_CHANGED' }, name)
    t.notOk(existsSync(path) && statSync(path).size !== PACKAGE.length, 'nothing was attached')
  }
  t.strictSame(leftovers(t), [])
})

void t.test('a new file that does not read back as it should is not put in place', async (t) => {
  t.testdir()
  const path = put(t, PACKAGE)
  let looks = 0
  const spoil = { throwIfAborted: () => {
    looks += 1
    const [temporary] = leftovers(t)
    // One byte of the payload, once everything was written and before it is read again.
    if (temporary !== undefined && statSync(join(t.testdirName, temporary)).size === PACKAGE.length + BLOCK.length) appendFileSync(join(t.testdirName, temporary), BLOCK.subarray(0, 1))
  } } as unknown as AbortSignal
  await t.rejects(attachDsb(path, BLOCK, { inPlace: true, sha256: sha256(PACKAGE), signal: spoil }), { code: 'FILE_CHANGED' })
  t.ok(looks > 2)
  t.ok(readFileSync(path).equals(PACKAGE))

  const large = writePackage(packageSource('PkgL', { payload: [{ path: '/usr/PkgL/data', size: 3_000_000 }] }))
  writeFileSync(path, large)
  let flipped = false
  const flip = { throwIfAborted: () => {
    const [temporary] = leftovers(t)
    if (flipped || temporary === undefined || statSync(join(t.testdirName, temporary)).size < 600_000) return
    const fd = openSync(join(t.testdirName, temporary), 'r+')
    writeSync(fd, 'x', 200_000)
    closeSync(fd)
    flipped = true
  } } as unknown as AbortSignal
  await t.rejects(attachDsb(path, blockOf(signatureOf(large)), { inPlace: true, sha256: sha256(large), signal: flip }), { code: 'FILE_CHANGED' }, 'a byte that a disk got wrong')
  t.ok(readFileSync(path).equals(large))
  t.strictSame(leftovers(t), [])
})

void t.test('a small file is written whole, not over another one, and a second time without complaint', async (t) => {
  t.testdir({ folder: {} })
  const path = join(t.testdirName, 'a.sig')
  await writeNewFile(path, Buffer.from('abc'))
  t.equal(readFileSync(path, 'utf8'), 'abc')
  t.equal(statSync(path).mode & 0o777, 0o666 & ~process.umask())
  await writeNewFile(path, Buffer.from('abc'))
  await t.rejects(writeNewFile(path, Buffer.from('abd')), { code: 'FILE_EXISTS', hint: 'Remove the file that is there, or name another one.' })
  await t.rejects(writeNewFile(join(t.testdirName, 'folder'), Buffer.from('abc')), { code: 'FILE_EXISTS' })
  await t.rejects(writeNewFile(join(t.testdirName, 'none', 'a'), Buffer.from('abc')), { code: 'FILE_UNWRITABLE' })
  const failed = new Error('no more')
  await t.rejects(placeFile(path, { over: true, write: async () => await Promise.reject(failed) }), failed)
  t.equal(readFileSync(path, 'utf8'), 'abc')
  linkSync(path, join(t.testdirName, 'other'))
  t.strictSame(readdirSync(t.testdirName).sort(), ['a.sig', 'folder', 'other'])
})
