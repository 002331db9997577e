import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findPath } from '../../../server/roots/find.ts'
import { openRoots } from '../../../server/roots/open-roots.ts'

void t.test('findPath says where a path leads and whether that is a directory, and refuses as resolvePath does', async (t) => {
  const base = realpathSync(t.testdir({ nim: { 'a.bff': 'package a' }, outside: { 'x.bff': 'of nobody' } }))
  symlinkSync('a.bff', join(base, 'nim', 'link.bff'))
  symlinkSync('../outside', join(base, 'nim', 'out'))
  const roots = await openRoots([{ name: 'nim', path: join(base, 'nim') }])
  const find = (path: string) => findPath({ kind: 'find', path: join(base, path), roots })
  for (const path of ['nim/a.bff', 'nim/link.bff']) t.match(find(path), { place: { root: { name: 'nim' }, relativePath: 'a.bff' }, isDirectory: false }, path)
  t.match(find('nim'), { place: { relativePath: '' }, isDirectory: true })
  for (const path of ['nim/none.bff', 'nim/out/x.bff', 'outside/x.bff']) t.throws(() => find(path), { code: 'PATH_OUTSIDE_ROOTS' }, path)
  t.throws(() => findPath({ kind: 'find', path: 'nim/a.bff', roots }), { code: 'PATH_MALFORMED' })
  // A name that is not UTF-8 arrives as the bytes that it is.
  const odd = Buffer.concat([Buffer.from(join(base, 'nim', 'odd-')), Buffer.from([0xff])])
  mkdirSync(odd)
  writeFileSync(Buffer.concat([odd, Buffer.from('/b.bff')]), 'package b')
  symlinkSync(Buffer.concat([odd, Buffer.from('/b.bff')]), join(base, 'nim', 'harmless.bff'))
  t.throws(() => find('nim/harmless.bff'), { code: 'FILE_NAME_REFUSED' })
})
