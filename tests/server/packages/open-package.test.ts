import { appendFileSync, fstatSync, utimesSync, writeFileSync, writeSync, openSync, closeSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hash } from 'node:crypto'
import { openPackage, settlePackage, type OpenedPackage } from '../../../server/packages/open-package.ts'
import { closeOpened } from '../../../server/roots/open.ts'
import { writePackage } from '../../../formats/index.ts'
import { PACKAGE } from '../../helpers/signables.ts'

const folder = t.testdir({})
const bytes = writePackage(PACKAGE)
const OLD = new Date('2026-11-24T09:15:00.123Z')

function put(name: string, content: Buffer = bytes, modified: Date = OLD): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  utimesSync(path, modified, modified)
  return path
}

function opened(path: string, maxBytes = 1_000_000): ReturnType<typeof openPackage> {
  return openPackage({ kind: 'open', place: { root: { realPath: folder }, absolutePath: path }, accept: ['installp'], maxBytes })
}

const settle = (file: OpenedPackage, content: Buffer = bytes): void => settlePackage({ kind: 'settle', file, sizeBytes: content.length, sha256: hash('sha256', content, 'buffer') })

t.test('openPackage opens a file and says what it is where it is small', async (t) => {
  const file = opened(put('small.bff'))
  t.match(file, { info: { kind: 'installp', sizeBytes: bytes.length, installp: { package: 'PkgA' } }, state: { size: bytes.length, mtimeMs: OLD.getTime() } })
  t.equal(fstatSync(file.fd).size, bytes.length)
  closeOpened(file)
  const large = opened(put('large.bff'), bytes.length - 1)
  t.notOk('info' in large)
  closeOpened(large)
})

t.test('openPackage leaves nothing open when it refuses', async (t) => {
  const path = put('damaged.bff', bytes.subarray(0, 200))
  const before = readdirSync('/proc/self/fd').length
  t.throws(() => opened(path), { code: 'PACKAGE_MALFORMED' })
  t.throws(() => opened(folder), { code: 'FILE_KIND_REFUSED' })
  t.throws(() => opened(join(folder, 'gone.bff')), { code: 'FILE_CHANGED' })
  t.equal(readdirSync('/proc/self/fd').length, before)
})

t.test('settlePackage accepts a file that is as it was, and refuses one that was written to since', async (t) => {
  const path = put('settled.bff')
  const file = opened(path)
  settle(file)
  appendFileSync(path, 'more')
  t.throws(() => settle(file), { code: 'FILE_CHANGED' })
  closeOpened(file)
})

t.test('settlePackage reads a file again that was written just before it was opened, for its times may hide the end of a write', async (t) => {
  for (const [name, age, again] of [['now', 0, true], ['old', 5_000, false], ['of a file system with times to the second', 1_000, true]] as const) {
    const path = put('young.bff')
    const times = name === 'old' ? Date.now() - age : name === 'now' ? Date.now() : Math.floor((Date.now() - age) / 1000) * 1000
    utimesSync(path, times / 1000, times / 1000)
    const file = opened(path)
    // What another process may still write in the same tick of the clock: other bytes, the same times.
    const fd = openSync(path, 'r+')
    writeSync(fd, Buffer.from([0xff]), 0, 1, bytes.length - 1)
    closeSync(fd)
    utimesSync(path, times / 1000, times / 1000)
    const hidden = { ...file, state: { ...file.state, ctimeMs: fstatSync(file.fd).ctimeMs } }
    if (again) t.throws(() => settle(hidden), { code: 'FILE_CHANGED' }, name)
    else t.doesNotThrow(() => settle(hidden), name)
    closeOpened(file)
  }
})
