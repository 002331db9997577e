import { createHash } from 'node:crypto'
import { open, truncate, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { formatDsb, writePackage } from '../../../formats/index.ts'
import { createInspector } from '../../../server/packages/inspect.ts'
import type { OpenFile } from '../../../server/packages/inspect.ts'
import { createThreadPool } from '../../../server/threads/pool.ts'
import { WORKER_MODULE } from '../../../server/threads/worker-module.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const PACKAGE = writePackage({ package: 'PkgA', type: 'I', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }], builtAt: 1_375_425_475 })
const FULL_SIZE = Number(process.env.TEST_FULL_FACTOR ?? 1) > 1

const pool = createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 10 })
t.teardown(() => pool.close())
const inspector = createInspector({ pool, maxFileBytes: 1024 * GIB, accept: ['installp', 'compress'] })
const folder = t.testdir()
let files = 0

/** A package, continued with a hole up to `sizeBytes`: no bytes on the disk, whatever the size. */
async function packageFile(sizeBytes = PACKAGE.length): Promise<OpenFile> {
  files += 1
  const path = join(folder, String(files))
  await writeFile(path, PACKAGE)
  await truncate(path, sizeBytes)
  return { fd: (await opened(path, 'r')).fd, fileBytes: sizeBytes }
}

async function opened(path: string, flags: string): Promise<FileHandle> {
  const handle = await open(path, flags)
  t.teardown(() => handle.close())
  return handle
}

const PACKAGE_SHA256 = createHash('sha256').update(PACKAGE).digest()

void t.test('an inspector', async (t) => {
  void t.test('tells what an open file is, with its digest as a Buffer', async (t) => {
    const info = await inspector.inspect(await packageFile())
    t.match(info, { kind: 'installp', sizeBytes: PACKAGE.length, installp: { package: 'PkgA', ftype: 'I', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }] } })
    t.ok('sha256' in info && Buffer.isBuffer(info.sha256))
    t.same('sha256' in info && info.sha256, PACKAGE_SHA256)
  })

  void t.test('gives every digest and signature as a Buffer, of a bare package and of one with a block, of other formats and of none', async (t) => {
    const block = formatDsb({ signature: Buffer.alloc(256, 9), key: { form: 'LOC', path: '/etc/security/certificates/example.pem' } })
    const contents = [Buffer.concat([PACKAGE, block]), Buffer.from([0x1f, 0x9d, 1, 2]), Buffer.from('text')]
    const [signed, fix, text] = await Promise.all(contents.map(async (bytes, index) => {
      const path = join(folder, `content-${index}`)
      await writeFile(path, bytes)
      return { fd: (await opened(path, 'r')).fd, fileBytes: bytes.length }
    })) as [OpenFile, OpenFile, OpenFile]
    const found = await inspector.inspect(signed)
    t.match(found, { kind: 'installp', sizeBytes: PACKAGE.length, dsb: { keyPath: '/etc/security/certificates/example.pem' } })
    t.ok('dsb' in found && Buffer.isBuffer(found.dsb?.signature))
    const examined = await inspector.examine(signed)
    t.ok(Buffer.isBuffer(examined.sha256) && Buffer.isBuffer(examined.dsb?.signature))
    const detached = await inspector.inspect(fix, { sha256: Buffer.alloc(32, 5) })
    t.strictSame(detached, { kind: 'detached', format: 'compress', sizeBytes: 4, sha256: Buffer.alloc(32, 5) })
    t.strictSame(await inspector.inspect(text), { kind: 'refused', format: 'other' })
    t.strictSame(await inspector.examine(text, { sha256: Buffer.alloc(32, 6) }), { sizeBytes: 4, sha256: Buffer.alloc(32, 6) })
  })

  void t.test('hashes, and copies into another open file', async (t) => {
    const file = await packageFile()
    const target = await opened(join(folder, 'copy'), 'wx+')
    t.same(await inspector.hash(file), PACKAGE_SHA256)
    t.same(await inspector.copy(file, target), PACKAGE_SHA256)
    t.same(await inspector.hash({ fd: target.fd, fileBytes: PACKAGE.length }), PACKAGE_SHA256)
    t.ok(Buffer.isBuffer(await inspector.hash(file)))
  })

  void t.test('answers with the code that the thread threw', async (t) => {
    const { fd } = await packageFile()
    await t.rejects(inspector.inspect({ fd, fileBytes: 1 }), { name: 'SigningError', code: 'FILE_CHANGED' })
    await t.rejects(inspector.inspect({ fd, fileBytes: 5 * MIB }, { signal: new AbortController().signal }), { code: 'FILE_CHANGED' }, 'cancellable')
  })

  void t.test('refuses a file above the limit, which it names, without reading it', async (t) => {
    const file = await packageFile()
    const strict = createInspector({ pool, maxFileBytes: PACKAGE.length - 1, accept: ['installp'] })
    const want = { code: 'FILE_TOO_LARGE', message: `the file has ${PACKAGE.length} bytes; limits.fileBytes is ${PACKAGE.length - 1}` }
    await t.rejects(strict.inspect(file), want)
    await t.rejects(strict.hash(file), want)
    await t.rejects(strict.copy(file, await opened(join(folder, 'copy'), 'r')), want)
    t.same(await createInspector({ pool, maxFileBytes: PACKAGE.length, accept: ['installp'] }).hash(file), PACKAGE_SHA256)
  })
})

void t.test('an aborted signal', async (t) => {
  void t.test('ends the reading of a file that would take minutes, and the thread goes on to the next', async (t) => {
    const controller = new AbortController()
    const endless = inspector.hash(await packageFile(512 * GIB), controller.signal)
    // Time to begin; where the machine is slower than that, the signal ends a task that waits, which is as good.
    await delay(20)
    controller.abort(new Error('the client went away'))
    await t.rejects(endless, { message: 'the client went away' })
    t.same(await inspector.hash(await packageFile()), PACKAGE_SHA256)
  })

  void t.test('keeps a file from being read at all', async (t) => {
    const signal = AbortSignal.abort(new Error('the client went away'))
    await t.rejects(inspector.inspect(await packageFile(), { signal }), { message: 'the client went away' })
    await t.rejects(inspector.inspect(await packageFile(64 * MIB), { signal }), { message: 'the client went away' })
  })
})

void t.test('a large package costs no more memory than a small one, and the event loop goes on meanwhile', { timeout: 120_000 }, async (t) => {
  await inspector.inspect(await packageFile(MIB))
  const file = await packageFile(FULL_SIZE ? 2 * GIB : 256 * MIB)
  const before = process.memoryUsage.rss()
  let [most, turns] = [before, 0]
  const sampler = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
    turns += 1
  }, 5)
  const info = await inspector.inspect(file)
  clearInterval(sampler)
  t.match(info, { kind: 'installp', sizeBytes: file.fileBytes })
  t.ok(most - before < 64 * MIB, `${Math.round((most - before) / MIB)} MiB more for ${file.fileBytes / MIB} MiB`)
  t.ok(turns >= 5, `${turns} turns of the timer`)
})
