import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, fstatSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { SigningError } from '../../../server/errors.ts'
import { inNameOrder, listDirectory } from '../../../server/roots/list.ts'
import { openRoots } from '../../../server/roots/open-roots.ts'
import { closeOpened, isUnchanged, named, openDirectory, openFile, openFileAtOnce } from '../../../server/roots/open.ts'
import { resolvePath, type Root } from '../../../server/roots/resolve.ts'
import { asNobody, codeOf } from '../../helpers/refusals.ts'

const NUM_RUNS = 300 * Number(process.env['TEST_FULL_FACTOR'] ?? 1)
const ALL = { recursive: false, maxEntries: 100 }
/** A folder that shows no descriptors, as on a system without /proc. */
const NO_PROC = '/nonexistent'

const base = await realpath(t.testdir({
  nim: { 'a.bff': 'package a', ppc: { 'b.bff': 'package b', deep: {} } },
  outside: { 'x.bff': 'of nobody', ppc: { 'b.bff': 'a decoy', deep: {} } },
}))
const inBase = (...parts: readonly string[]) => join(base, ...parts)
const [nim] = (await openRoots([{ name: 'nim', path: inBase('nim') }])) as [Root]

void t.test('openFile', async (t) => {
  const place = async (path: string) => await resolvePath(inBase(path), [nim])

  for (const descriptors of [undefined, NO_PROC]) {
    const where = descriptors === undefined ? 'with /proc' : 'without /proc'

    void t.test(`opens a regular file ${where}, and reads it whatever becomes of its name`, async (t) => {
      writeFileSync(inBase('nim/opened.bff'), 'first')
      const opened = await openFile(await place('nim/opened.bff'), descriptors)
      renameSync(inBase('nim/a.bff'), inBase('nim/opened.bff'))
      writeFileSync(inBase('nim/a.bff'), 'package a')
      t.equal(readFileSync(opened.fd, 'utf8'), 'first')
      closeOpened(opened)
    })

    void t.test(`opens it at once too, for a thread that may wait ${where}`, async (t) => {
      const opened = openFileAtOnce(await place('nim/a.bff'), descriptors)
      t.equal(readFileSync(opened.fd, 'utf8'), 'package a')
      closeOpened(opened)
    })

    void t.test(`refuses a file that was swapped after it was resolved ${where}`, async (t) => {
      const swaps: readonly [string, () => void, string][] = [
        ['removed', () => undefined, 'FILE_CHANGED'],
        ['a link to a file outside', () => symlinkSync(inBase('outside/x.bff'), inBase('nim/dir/swap')), 'FILE_CHANGED'],
        ['a link to a file inside', () => symlinkSync(inBase('nim/a.bff'), inBase('nim/dir/swap')), 'FILE_CHANGED'],
        ['a directory', () => mkdirSync(inBase('nim/dir/swap')), 'FILE_KIND_REFUSED'],
        ['a FIFO', () => execFileSync('mkfifo', [inBase('nim/dir/swap')]), 'FILE_KIND_REFUSED'],
      ]
      for (const [name, swap, want] of swaps) {
        mkdirSync(inBase('nim/dir'))
        writeFileSync(inBase('nim/dir/swap'), '')
        const resolved = await place('nim/dir/swap')
        rmSync(inBase('nim/dir/swap'))
        swap()
        await t.rejects(openFile(resolved, descriptors), { code: want }, name)
        t.throws(() => openFileAtOnce(resolved, descriptors), { code: want }, `${name}, at once`)
        rmSync(inBase('nim/dir'), { recursive: true })
      }
    })

    void t.test(`refuses a file below a directory that was swapped after it was resolved ${where}`, async (t) => {
      for (const [target, want] of [['outside/ppc', descriptors === undefined ? 'PATH_OUTSIDE_ROOTS' : 'FILE_CHANGED'], ['nim/twin', 'FILE_CHANGED']] as const) {
        mkdirSync(inBase('nim/twin/deep'), { recursive: true })
        writeFileSync(inBase('nim/twin/b.bff'), '')
        const resolved = await place('nim/ppc/b.bff')
        const deep = await place('nim/ppc/deep')
        renameSync(inBase('nim/ppc'), inBase('nim/ppc-away'))
        symlinkSync(inBase(target), inBase('nim/ppc'))
        await t.rejects(openFile(resolved, descriptors), { code: want }, target)
        t.throws(() => openFileAtOnce(resolved, descriptors), { code: want }, `${target}, at once`)
        await t.rejects(openDirectory(deep, descriptors), { code: want }, `a directory: ${target}`)
        unlinkSync(inBase('nim/ppc'))
        renameSync(inBase('nim/ppc-away'), inBase('nim/ppc'))
        rmSync(inBase('nim/twin'), { recursive: true })
      }
    })

    void t.test(`never opens the other file while two are swapped all the time ${where}`, async (t) => {
      mkdirSync(inBase('nim/race'))
      writeFileSync(inBase('nim/race/file'), 'inside')
      const script = `const fs = require('node:fs'); const [file, link, outside] = process.argv.slice(1)
        fs.symlinkSync(outside, link + '0')
        for (;;) { fs.renameSync(file, file + '0'); fs.renameSync(link + '0', file); fs.renameSync(file, link + '0'); fs.renameSync(file + '0', file) }`
      const racer = spawn(process.execPath, ['-e', script, inBase('nim/race/file'), inBase('nim/race/link'), inBase('outside/x.bff')], { stdio: 'ignore' })
      const codes = new Map<string, number>()
      for (const end = performance.now() + 400; performance.now() < end;) {
        const code = await place('nim/race/file').then(async (resolved) => await openFile(resolved, descriptors)).then(({ fd }) => {
          const text = readFileSync(fd, 'utf8')
          closeOpened({ fd })
          return text === 'inside' ? 'OK' : `read ${text}`
        }).catch((error: SigningError) => error.code)
        codes.set(code, (codes.get(code) ?? 0) + 1)
      }
      racer.kill('SIGKILL')
      t.strictSame([...codes.keys()].filter((code) => !['OK', 'FILE_CHANGED', 'PATH_OUTSIDE_ROOTS'].includes(code)), [])
      t.ok((codes.get('OK') ?? 0) > 0, JSON.stringify([...codes]))
      rmSync(inBase('nim/race'), { recursive: true, force: true, maxRetries: 5 })
    })
  }

  void t.test('refuses directories, FIFOs, sockets and devices without opening them', async (t) => {
    execFileSync('mkfifo', [inBase('nim/fifo')])
    const socket = createServer().listen(inBase('nim/socket'))
    await new Promise((resolve) => socket.once('listening', resolve))
    for (const [path, kind] of [['nim/ppc', 'directory'], ['nim/fifo', 'special'], ['nim/socket', 'special']] as const) {
      await t.rejects(openFile(await place(path)), { code: 'FILE_KIND_REFUSED', facts: { kind } }, path)
    }
    socket.close()
    const [devices] = await openRoots([{ name: 'devices', path: '/dev' }])
    await t.rejects(openFile(await resolvePath('/dev/null', [devices as Root])), { code: 'FILE_KIND_REFUSED', facts: { kind: 'special' } })
  })

  void t.test('refuses a file that the server may not read', async (t) => {
    writeFileSync(inBase('nim/unreadable.bff'), '')
    chmodSync(inBase('nim/unreadable.bff'), 0o200)
    const resolved = await place('nim/unreadable.bff')
    t.equal(await asNobody(async () => await codeOf(openFile(resolved))), 'PATH_UNREADABLE')
  })

  void t.test('refuses what was replaced between the look and the opening, and leaks no descriptor', async (t) => {
    const resolved = await place('nim/a.bff')
    const opened = await openFile(resolved)
    const before = await lstat(inBase('nim/a.bff'))
    writeFileSync(inBase('nim/a2.bff'), 'package a')
    t.notOk(isUnchanged(before, await lstat(inBase('nim/a2.bff'))))
    t.ok(isUnchanged(before, fstatSync(opened.fd)))
    for (const [change, text] of [['size', 'package ab'], ['time', 'package b']] as const) {
      writeFileSync(inBase('nim/a.bff'), text)
      t.notOk(isUnchanged(before, fstatSync(opened.fd)), change)
    }
    linkSync(inBase('nim/a.bff'), inBase('nim/hard'))
    closeOpened(opened)
  })
})

void t.test('named tells what the system says apart', async (t) => {
  const failing = async (code: string) => await codeOf(named(async () => await Promise.reject(Object.assign(new Error('syscall'), { code }))))
  for (const [code, want] of [
    ['EACCES', 'PATH_UNREADABLE'], ['EPERM', 'PATH_UNREADABLE'], ['EIO', 'PATH_UNREADABLE'], ['ENOENT', 'FILE_CHANGED'], ['ENOTDIR', 'FILE_CHANGED'],
    ['ELOOP', 'FILE_CHANGED'], ['ENXIO', 'FILE_CHANGED'], ['ESTALE', 'FILE_CHANGED'], ['EMFILE', 'SERVER_BUSY'], ['ENFILE', 'SERVER_BUSY'], ['ENOMEM', 'SERVER_BUSY'],
  ] as const) t.equal(await failing(code), want, code)
  t.equal(await named(async () => 7), 7)
  await t.rejects(named(async () => await Promise.reject(new TypeError('a mistake'))), TypeError)
})

void t.test('listDirectory', async (t) => {
  const folder = inBase('nim/listed')
  mkdirSync(join(folder, 'sub/deeper'), { recursive: true })
  mkdirSync(join(folder, 'empty'))
  for (const name of ['Z', 'a', 'B', 'ä', '\u{1f600}', '\uff21', 'sub/x', 'sub/deeper/y', 'sub.bff', 'new\nline', '__proto__', '1', '"quoted"']) writeFileSync(join(folder, name), '')
  symlinkSync('..', join(folder, 'sub/up'))
  execFileSync('mkfifo', [join(folder, 'fifo')])
  const raw = (...bytes: readonly number[]) => Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(bytes)])
  writeFileSync(raw(0x78, 0xff), '')
  const place = await resolvePath(folder, [nim])
  const names = async (options = ALL, descriptors?: string) => (await listDirectory(place, options, descriptors)).map(({ name }) => name)
  const FLAT = ['"quoted"', '1', 'B', 'Z', '__proto__', 'a', 'empty', 'fifo', 'new\nline', 'sub', 'sub.bff', 'x\\xff', 'ä', '\uff21', '\u{1f600}']

  void t.test('lists every entry in the order of the bytes of its name, with its kind', async (t) => {
    t.strictSame(await names(), FLAT)
    t.strictSame(await names(ALL, NO_PROC), FLAT)
    const entries = new Map((await listDirectory(place, ALL)).map((entry) => [entry.name, entry]))
    for (const [name, want] of [
      ['a', { kind: 'file', refused: false }], ['sub', { kind: 'directory', refused: false }], ['fifo', { kind: 'special', refused: false }],
      ['new\nline', { kind: 'file', refused: true }], ['x\\xff', { kind: 'file', refused: true }], ['__proto__', { kind: 'file', refused: false }],
    ] as const) t.match(entries.get(name), want, name)
  })

  void t.test('descends when asked, names entries from the top, and follows no link', async (t) => {
    const deep = await listDirectory(place, { ...ALL, recursive: true })
    t.strictSame(deep.map(({ name }) => name), [...FLAT.filter((name) => !['empty', 'sub'].includes(name)), 'sub/deeper/y', 'sub/up', 'sub/x'].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
    t.match(deep.find(({ name }) => name === 'sub/up'), { kind: 'symlink' })
  })

  void t.test('gives each entry a name of its own, also where an escaped name is the true name of another', async (t) => {
    for (const name of ['x\\xff', 'x\\xff?']) writeFileSync(join(folder, name), '')
    writeFileSync(raw(...Buffer.from('x\\xff'), 0xfe), '')
    writeFileSync(raw(0x78, 0xff, 0xfe), '')
    const entries = (await listDirectory(place, ALL)).filter(({ name }) => name.startsWith('x'))
    t.strictSame(entries.map(({ name, refused }) => `${name} ${refused}`), ['x\\xff false', 'x\\xff? false', 'x\\xff?? true', 'x\\xff\\xfe true', 'x\\xff\\xfe? true'])
    for (const name of ['x\\xff', 'x\\xff?']) unlinkSync(join(folder, name))
    unlinkSync(raw(...Buffer.from('x\\xff'), 0xfe))
    unlinkSync(raw(0x78, 0xff, 0xfe))
  })

  void t.test('refuses a directory above the limit, subdirectories included, and names the limit', async (t) => {
    t.equal((await names({ recursive: false, maxEntries: FLAT.length })).length, FLAT.length)
    await t.rejects(listDirectory(place, { recursive: false, maxEntries: FLAT.length - 1 }), { code: 'DIRECTORY_TOO_LARGE', message: `the directory has more than ${FLAT.length - 1} entries, the limit limits.directoryEntries` })
    t.equal((await names({ recursive: true, maxEntries: FLAT.length + 4 })).length, FLAT.length + 1)
    await t.rejects(listDirectory(place, { recursive: true, maxEntries: FLAT.length + 3 }), { code: 'DIRECTORY_TOO_LARGE' }, 'subdirectories count')
  })

  void t.test('stops when it is aborted', async (t) => {
    const reason = new SigningError('REQUEST_ABORTED', 'the client went away')
    await t.rejects(listDirectory(place, { ...ALL, signal: AbortSignal.abort(reason) }), { code: 'REQUEST_ABORTED' })
  })

  void t.test('refuses what is no directory any more, and what may not be read', async (t) => {
    await t.rejects(listDirectory(await resolvePath(inBase('nim/a.bff'), [nim]), ALL), { code: 'FILE_CHANGED' })
    await t.rejects(listDirectory(await resolvePath(inBase('nim/fifo'), [nim]), ALL), { code: 'FILE_CHANGED' })
    chmodSync(join(folder, 'sub'), 0o100)
    // Where the test's own folder cannot be reached by that user, the whole listing is refused instead.
    const faultOf = async () => (await listDirectory(place, { ...ALL, recursive: true })).flatMap(({ fault }) => fault?.code ?? [])
    t.match(await asNobody(async () => await faultOf().catch((error: unknown) => [(error as SigningError).code])), ['PATH_UNREADABLE'])
    chmodSync(join(folder, 'sub'), 0o755)
  })

  void t.test('is not led out of the root by a subdirectory that becomes a link while it is listed', async (t) => {
    const resolved = await resolvePath(inBase('nim/ppc'), [nim])
    renameSync(inBase('nim/ppc'), inBase('nim/ppc-away'))
    for (const target of ['outside/ppc', 'nim/ppc-away']) {
      symlinkSync(inBase(target), inBase('nim/ppc'))
      for (const descriptors of [undefined, NO_PROC]) await t.rejects(listDirectory(resolved, ALL, descriptors), { code: 'FILE_CHANGED' }, target)
      unlinkSync(inBase('nim/ppc'))
    }
    mkdirSync(inBase('nim/ppc'))
    t.strictSame(await listDirectory(resolved, ALL), [], 'another directory of that name is as good as the first')
    rmSync(inBase('nim/ppc'), { recursive: true })
    renameSync(inBase('nim/ppc-away'), inBase('nim/ppc'))
  })

  void t.test('leaves no descriptor open', async (t) => {
    const before = await readdir('/proc/self/fd')
    for (let round = 0; round < 20; round += 1) await codeOf(listDirectory(place, { recursive: true, maxEntries: 3 }))
    t.equal((await readdir('/proc/self/fd')).length, before.length)
  })
})

void t.test('inNameOrder sorts as the bytes do, for any names', async () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: 'grapheme' })), (names) => {
    const sorted = inNameOrder(names.map((name) => ({ name }))).map(({ name }) => name)
    return sorted.every((name, index) => index === 0 || Buffer.compare(Buffer.from(sorted[index - 1] as string), Buffer.from(name)) <= 0) && sorted.length === names.length
  }), { numRuns: NUM_RUNS })
})
