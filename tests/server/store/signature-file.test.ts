import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { formatSignatureFile, parseSignatureFile, SIGNATURE_FILE_HEADER } from '../../../formats/signature/file.ts'
import type { SignatureRecord } from '../../../formats/signature/file.ts'
import { openSignatureFile, SignatureFile } from '../../../server/store/signature-file.ts'
import type { AppendHandle } from '../../../server/store/signature-file.ts'
import { recording } from '../../helpers/store.ts'

const recordsOf = (...filesets: string[]): SignatureRecord[] => recording({ filesets }).signature.records
const readable = (path: string) => parseSignatureFile(readFileSync(path)).map(({ fileset }) => fileset)
const systemError = (code: string) => Object.assign(new Error(`${code}: write '/var/secret'`), { code })

type Tap = Pick<typeof t, 'testdir' | 'teardown'>

async function freshFile(t: Tap): Promise<{ path: string; file: SignatureFile }> {
  const path = join(t.testdir(), 'signatures')
  const file = await openSignatureFile(path)
  t.teardown(() => file.close())
  return { path, file }
}

/** A signature file over a real handle whose methods can be made to fail. */
async function faultyFile(t: Tap, faults: (handle: AppendHandle) => Partial<AppendHandle>): Promise<{ path: string; file: SignatureFile }> {
  const path = join(t.testdir(), 'signatures')
  const handle = await open(path, 'a+', 0o600)
  const whole: AppendHandle = {
    stat: handle.stat.bind(handle),
    read: handle.read.bind(handle),
    write: handle.write.bind(handle),
    truncate: handle.truncate.bind(handle),
    datasync: handle.datasync.bind(handle),
    close: handle.close.bind(handle),
  }
  const file = new SignatureFile({ ...whole, ...faults(whole) })
  t.teardown(() => file.close())
  return { path, file }
}

void t.test('a new signature file has mode 0600, stays empty until the first append and is canonical after it', async (t) => {
  const { path, file } = await freshFile(t)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(statSync(path).size, 0)
  const first = recordsOf('PkgA.rte', 'PkgA.adt')
  const second = recordsOf('PkgB.rte')
  await file.append(first)
  await file.append([])
  await file.append(second)
  t.equal(readFileSync(path, 'latin1'), formatSignatureFile([...first, ...second]))
})

void t.test('appends of the same moment stay whole and in order, under one header', async (t) => {
  const { path, file } = await freshFile(t)
  const names = Array.from({ length: 600 }, (_, index) => `PkgA.part${index}`)
  await Promise.all(names.map((name) => file.append(recordsOf(name, `${name}.msg`))))
  t.same(readable(path), names.flatMap((name) => [name, `${name}.msg`]))
  t.equal(readFileSync(path, 'latin1').split(SIGNATURE_FILE_HEADER).length, 2)
})

void t.test('a signature file that is opened again is continued', async (t) => {
  const { path, file } = await freshFile(t)
  await file.append(recordsOf('PkgA.rte'))
  await file.close()
  const again = await openSignatureFile(path)
  await again.append(recordsOf('PkgA.adt'))
  await again.close()
  t.same(readable(path), ['PkgA.rte', 'PkgA.adt'])
})

void t.test('a file with only a header, and one longer than a read, are continued', async (t) => {
  const folder = t.testdir()
  const many = formatSignatureFile(Array.from({ length: 6000 }, () => recordsOf('PkgA.rte')).flat())
  t.ok(many.length > 2 * 1_048_576)
  for (const [name, content, records] of [['header', `${SIGNATURE_FILE_HEADER}\n`, 1], ['long', many, 6001]] as const) {
    const path = join(folder, name)
    writeFileSync(path, content)
    const file = await openSignatureFile(path)
    await file.append(recordsOf('PkgB.rte'))
    await file.close()
    t.equal(readable(path).length, records, name)
  }
})

void t.test('a signature file that is not whole is refused at the start, in a sentence for the operator, and not changed', async (t) => {
  const folder = t.testdir()
  const whole = formatSignatureFile(recordsOf('PkgA.rte', 'PkgA.adt'))
  const firstLines = whole.lastIndexOf('PkgA:')
  const table: [string, string, RegExp][] = [
    ['torn', whole.slice(0, -10), new RegExp(`ends in the middle of a line, .* only its first ${firstLines} bytes are whole lines: keep those \\(truncate -s ${firstLines} FILE\\)`)],
    ['without its last LF', whole.slice(0, -1), new RegExp(`truncate -s ${firstLines} FILE`)],
    ['torn in the header', SIGNATURE_FILE_HEADER.slice(0, 9), /truncate -s 0 FILE/],
    ['zeros after a power cut', `${whole}${'\0'.repeat(300)}\n`, /^the signature file is malformed: a signature record has 7 fields, this one has 1; move it away/],
    ['another file', 'root:x:0:0:root:/root:/bin/sh\n', /^the signature file is malformed: /],
  ]
  for (const [name, content, message] of table) {
    const path = join(folder, name)
    writeFileSync(path, content)
    await t.rejects(openSignatureFile(path), { code: 'STORE_FAILED', message, facts: { path } }, name)
    t.equal(readFileSync(path, 'latin1'), content, `${name}: not changed`)
  }
  const path = join(folder, 'torn')
  truncateSync(path, firstLines)
  await (await openSignatureFile(path)).close()
  t.same(readable(path), ['PkgA.rte'], 'and what the sentence says helps')
})

void t.test('what is no regular file is refused', async (t) => {
  const folder = t.testdir({ target: '' })
  symlinkSync(join(folder, 'target'), join(folder, 'link'))
  mkdirSync(join(folder, 'folder'))
  spawnSync('mkfifo', [join(folder, 'fifo')])
  const table: [string, RegExp][] = [
    ['link', /is a symbolic link/],
    ['folder', /is a directory$/],
    ['fifo', /is no regular file$/],
    ['nowhere/signatures', /the folder of the signature file does not exist$/],
    ['x'.repeat(300), /could not be opened$/],
  ]
  for (const [name, message] of table) await t.rejects(openSignatureFile(join(folder, name)), { code: 'STORE_FAILED', message, facts: { path: join(folder, name) } })
  t.equal(statSync(join(folder, 'target')).size, 0)
})

void t.test('a full disk answers STORAGE_FULL and leaves the file as it was', async (t) => {
  let room = Infinity
  const { path, file } = await faultyFile(t, (handle) => ({
    write: (async (bytes: Buffer, offset: number) => {
      const length = Math.min(room, bytes.length - offset)
      if (length === 0) throw systemError('ENOSPC')
      room -= length
      return handle.write(bytes, offset, length)
    }) as unknown as AppendHandle['write'],
  }))
  await file.append(recordsOf('PkgA.rte'))
  const before = readFileSync(path, 'latin1')
  room = 100
  const results = await Promise.allSettled(['PkgA.adt', 'PkgA.man'].map((name) => file.append(recordsOf(name))))
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: 'STORAGE_FULL', message: /no room/, facts: { cutBack: undefined } } })
  t.equal(readFileSync(path, 'latin1'), before)
  room = Infinity
  await file.append(recordsOf('PkgA.rte.new'))
  t.same(readable(path), ['PkgA.rte', 'PkgA.rte.new'])
})

void t.test('an append whose flush fails is taken back', async (t) => {
  let failing = true
  const { path, file } = await faultyFile(t, (handle) => ({
    datasync: () => {
      const fails = failing
      failing = false
      return fails ? Promise.reject(systemError('EIO')) : handle.datasync()
    },
  }))
  await t.rejects(file.append(recordsOf('PkgA.rte')), { code: 'STORE_FAILED', message: 'the signature file could not be written', cause: { code: 'EIO' } })
  t.equal(statSync(path).size, 0)
  await file.append(recordsOf('PkgA.rte'))
  t.same(readable(path), ['PkgA.rte'], 'the header is written again')
})

void t.test('nothing is appended to a torn line that could not be taken back', async (t) => {
  const { path, file } = await faultyFile(t, (handle) => ({
    write: (async (bytes: Buffer, offset: number) => {
      if (offset > 0) throw systemError('EIO')
      return handle.write(bytes, offset, bytes.length - 5)
    }) as unknown as AppendHandle['write'],
    truncate: () => Promise.reject(systemError('EIO')),
  }))
  await t.rejects(file.append(recordsOf('PkgA.rte')), { code: 'STORE_FAILED', facts: { cutBack: { code: 'EIO' } } })
  const torn = readFileSync(path, 'latin1')
  const refused = { code: 'STORE_FAILED', message: /ends in the middle of a line: restart the server/ }
  await t.rejects(file.append(recordsOf('PkgA.rte')), refused)
  await t.rejects(file.probe(), refused)
  t.equal(readFileSync(path, 'latin1'), torn)
})

void t.test('a file that was renamed still gets the records, one that was deleted is told', async (t) => {
  const { path, file } = await freshFile(t)
  await file.append(recordsOf('PkgA.rte'))
  await file.probe()
  renameSync(path, `${path}.1`)
  await file.append(recordsOf('PkgA.adt'))
  t.same(readable(`${path}.1`), ['PkgA.rte', 'PkgA.adt'])
  t.notOk(existsSync(path))
  rmSync(`${path}.1`)
  await t.rejects(file.append(recordsOf('PkgA.rte')), { code: 'STORE_FAILED', message: /was deleted/ })
  await t.rejects(file.probe(), { code: 'STORE_FAILED', message: /was deleted/ })
})

void t.test('a file that was emptied gets its header again, one that somebody else spoiled gets nothing', async (t) => {
  const { path, file } = await freshFile(t)
  await file.append(recordsOf('PkgA.rte'))
  truncateSync(path, 0)
  await file.append(recordsOf('PkgA.adt'))
  t.ok(readFileSync(path, 'latin1').startsWith(`${SIGNATURE_FILE_HEADER}\nPkgA:PkgA.adt:`))
  appendFileSync(path, 'half a line')
  await t.rejects(file.append(recordsOf('PkgA.rte')), { code: 'STORE_FAILED', message: /in the middle of a line/ })
})

void t.test('a record that would not read back is not written', async (t) => {
  const { path, file } = await freshFile(t)
  const records = recordsOf('PkgA.rte').map((record) => ({ ...record, timestamp: '1:2' }))
  await t.rejects(file.append(records), { code: 'STORE_FAILED', cause: { code: 'TIMESTAMP_MALFORMED' } })
  t.equal(statSync(path).size, 0)
})

void t.test('close writes what is waiting; afterwards every call answers STORE_FAILED', async (t) => {
  const { path, file } = await freshFile(t)
  const appending = Promise.all(['PkgA.rte', 'PkgA.adt'].map((name) => file.append(recordsOf(name))))
  await file.close()
  await appending
  t.same(readable(path), ['PkgA.rte', 'PkgA.adt'])
  const closed = { code: 'STORE_FAILED', message: 'the signature file is closed' }
  await t.rejects(file.append(recordsOf('PkgA.rte')), closed)
  await t.rejects(file.probe(), closed)
  await file.close()
})

void t.test('a file that the system lets grow no further keeps only whole records', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'signatures')
  // A real short write: 2 blocks of 512 bytes hold the header, two records and the beginning of a third. The environment is emptied of
  // what tap puts there, which dies of SIGXFSZ where Node ignores it.
  const script = `
    import { openSignatureFile } from ${JSON.stringify(join(import.meta.dirname, '../../../server/store/signature-file.ts'))}
    import { recording } from ${JSON.stringify(join(import.meta.dirname, '../../helpers/store.ts'))}
    const file = await openSignatureFile(process.argv[1])
    for (let count = 0; count < 4; count++) {
      await file.append(recording({ filesets: ['PkgA.rte'] }).signature.records).then(() => console.log('kept'), (fault) => console.log(fault.code, fault.cause.code))
    }`
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -f 2; exec env -i "$0" --input-type=module-typescript -e "$1" "$2"', process.execPath, script, path], { encoding: 'utf8' })
  t.equal(stdout, 'kept\nkept\nSTORE_FAILED EFBIG\nSTORE_FAILED EFBIG\n')
  t.same(readable(path), ['PkgA.rte', 'PkgA.rte'])
})
