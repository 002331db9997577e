import { chmodSync, mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { SigningError } from '../../../server/errors.ts'
import { openRoots } from '../../../server/roots/open-roots.ts'
import { isPrintableName, parsePath, resolvePath, type Root } from '../../../server/roots/resolve.ts'
import { asNobody, codeOf, nobodyCannotReach } from '../../helpers/refusals.ts'

const NUM_RUNS = 300 * Number(process.env['TEST_FULL_FACTOR'] ?? 1)

const base = await realpath(t.testdir({
  nim: { 'a.bff': 'package a', ppc: { 'b.bff': 'package b', deep: { 'c.bff': 'package c' } } },
  other: { 'secret.bff': 'of somebody else' },
  outside: { 'x.bff': 'of nobody', ppc: { 'b.bff': 'a decoy', deep: {} } },
}))
const inBase = (...parts: readonly string[]) => join(base, ...parts)
const [nim, other, inner, viaLink] = await openAll()

async function openAll(): Promise<[Root, Root, Root, Root]> {
  symlinkSync('nim', inBase('link-to-nim'))
  const roots = [['nim', 'nim'], ['other', 'other'], ['inner', 'nim/ppc'], ['via-link', 'link-to-nim']].map(([name = '', path = '']) => ({ name, path: inBase(path) }))
  return (await openRoots(roots)) as [Root, Root, Root, Root]
}

void t.test('parsePath', async (t) => {
  for (const [given, want] of [['/', '/'], ['/a', '/a'], ['/a/', '/a'], ['/a b/c.bff', '/a b/c.bff'], ['/..a/b..', '/..a/b..'], ['/ünïcode/日本', '/ünïcode/日本']] as const) {
    t.equal(parsePath(given), want)
  }
  const hostile: readonly [string, string][] = [
    ['a relative path', 'a/b'], ['the empty path', ''], ['a part ..', '/a/../b'], ['a last part ..', '/a/..'], ['only ..', '/..'], ['a part .', '/a/./b'],
    ['an empty part', '/a//b'], ['two slashes in front', '//a'], ['two slashes at the end', '/a//'], ['a newline', '/a\nb'], ['a NUL', '/a\0b'], ['a DEL', '/a\u007f'],
    ['a C1 control', '/a\u009b2J'], ['a line separator', '/a\u2028b'], ['reversed text', '/a\u202effb.bff'], ['half a character', '/a\ud800'],
    ['4097 bytes', `/${'ä'.repeat(2048)}`], ['a home', '~/a'], ['a URL', 'file:///a'], ['a Windows path', 'C:\\a'],
  ]
  for (const [name, path] of hostile) t.throws(() => parsePath(path), { code: 'PATH_MALFORMED' }, name)
  t.equal(parsePath(`/${'ä'.repeat(2047)}`).length, 2048, '4095 bytes')

  void t.test('whatever it returns is absolute, has no part that leads elsewhere, and is returned again', async () => {
    const part = fc.oneof(fc.constantFrom('..', '.', '', 'a', '...', '\n'), fc.string({ unit: 'binary' }))
    fc.assert(fc.property(fc.array(part).map((parts) => `/${parts.join('/')}`), (path) => {
      try {
        const parsed = parsePath(path)
        return parsed.startsWith('/') && parsed.split('/').every((name) => name !== '..' && name !== '.') && isPrintableName(parsed) && parsePath(parsed) === parsed
      } catch (error) {
        return error instanceof SigningError && error.code === 'PATH_MALFORMED' && !error.message.includes(path)
      }
    }), { numRuns: NUM_RUNS })
  })
})

void t.test('resolvePath', async (t) => {
  void t.test('finds files, directories and the root itself, with or without a slash at the end', async (t) => {
    for (const [path, relativePath] of [['nim/a.bff', 'a.bff'], ['nim/ppc', 'ppc'], ['nim/ppc/', 'ppc'], ['nim/ppc/deep/c.bff', 'ppc/deep/c.bff'], ['nim', ''], ['nim/', '']] as const) {
      const place = await resolvePath(join(base, '/') + path, [nim])
      t.strictSame({ ...place }, { root: nim, relativePath, absolutePath: join(nim.realPath, relativePath) as never }, path)
    }
  })

  void t.test('follows links that stay, also into another root that the client may use', async (t) => {
    symlinkSync('../a.bff', inBase('nim/ppc/link.bff'))
    symlinkSync(inBase('other'), inBase('nim/to-other'))
    t.match(await resolvePath(inBase('nim/ppc/link.bff'), [nim]), { relativePath: 'a.bff' })
    t.match(await resolvePath(inBase('nim/to-other/secret.bff'), [nim, other]), { root: { name: 'other' }, relativePath: 'secret.bff' })
    await t.rejects(resolvePath(inBase('nim/to-other/secret.bff'), [nim]), { code: 'PATH_OUTSIDE_ROOTS' })
  })

  void t.test('takes a root that is a link by both names, and keeps to where it led at the start', async (t) => {
    for (const path of ['link-to-nim/a.bff', 'nim/a.bff', 'link-to-nim']) t.match(await resolvePath(inBase(path), [viaLink]), { root: { name: 'via-link' } }, path)
    unlinkSync(inBase('link-to-nim'))
    symlinkSync('outside', inBase('link-to-nim'))
    await t.rejects(resolvePath(inBase('link-to-nim/x.bff'), [viaLink]), { code: 'PATH_OUTSIDE_ROOTS' })
  })

  void t.test('names the innermost of nested roots that the client may use, in whatever order', async (t) => {
    for (const roots of [[nim, inner], [inner, nim]]) t.match(await resolvePath(inBase('nim/ppc/b.bff'), roots), { root: { name: 'inner' }, relativePath: 'b.bff' })
    t.match(await resolvePath(inBase('nim/ppc/b.bff'), [nim]), { root: { name: 'nim' } })
    await t.rejects(resolvePath(inBase('nim/a.bff'), [inner]), { code: 'PATH_OUTSIDE_ROOTS' })
  })

  void t.test('takes the root directory of the machine for a root', async (t) => {
    const [machine] = await openRoots([{ name: 'machine', path: '/' }])
    t.match(await resolvePath(inBase('nim/a.bff'), [machine as Root]), { relativePath: inBase('nim/a.bff').slice(1) })
  })

  void t.test('answers the same for what is not there, what is outside and what is of somebody else', async (t) => {
    symlinkSync(inBase('outside/x.bff'), inBase('nim/leaves'))
    symlinkSync('../outside', inBase('nim/leaves-above'))
    symlinkSync('/proc/self/root/etc/passwd', inBase('nim/proc'))
    symlinkSync('loop-b', inBase('nim/loop-a'))
    symlinkSync('loop-a', inBase('nim/loop-b'))
    symlinkSync('nowhere', inBase('nim/dangling'))
    const paths = [
      'nim/absent', 'nim/a.bff/below-a-file', 'nim/leaves', 'nim/leaves-above/x.bff', 'nim/proc', 'nim/loop-a', 'nim/dangling', 'outside/x.bff', 'other/secret.bff', 'other',
      'nimble', 'nim.bff', '', `nim/${'x'.repeat(300)}`, `nim/${'y/'.repeat(1500)}z`,
    ]
    const answers = await Promise.all(paths.map(async (path) => await resolvePath(`${base}/${path}`, [nim]).then(() => 'OK', ({ code, message }: SigningError) => `${code} ${message}`)))
    t.strictSame(new Set(answers), new Set(['PATH_OUTSIDE_ROOTS there is no such path inside a root this client may use']))
    await t.rejects(resolvePath(inBase('nim/a.bff'), []), { code: 'PATH_OUTSIDE_ROOTS' }, 'no roots')
  })

  void t.test('says what it may not search inside a root, and nothing of what a link leads to outside', { skip: nobodyCannotReach(base) }, async (t) => {
    mkdirSync(inBase('nim/locked/below'), { recursive: true })
    mkdirSync(inBase('outside/locked/below'), { recursive: true })
    writeFileSync(inBase('nim/locked/below/x.bff'), '')
    symlinkSync(inBase('outside/locked/below'), inBase('nim/to-locked'))
    symlinkSync(inBase('outside/locked'), inBase('nim/to-locked-folder'))
    chmodSync(inBase('nim/locked'), 0o600)
    chmodSync(inBase('outside/locked'), 0o600)
    const answers = await asNobody(async () => await Promise.all([
      'nim/locked/below', 'nim/locked/below/x.bff', 'nim/locked/below/absent/absent', 'nim/to-locked', 'nim/to-locked/absent', 'nim/to-locked-folder/below',
    ].map(async (path) => await codeOf(resolvePath(inBase(path), [nim])))))
    t.strictSame(answers, ['PATH_UNREADABLE', 'PATH_UNREADABLE', 'PATH_UNREADABLE', 'PATH_OUTSIDE_ROOTS', 'PATH_OUTSIDE_ROOTS', 'PATH_OUTSIDE_ROOTS'])
  })

  void t.test('refuses a link to a name that is none, even when its own name is harmless', async (t) => {
    writeFileSync(inBase('nim/new\nline.bff'), '')
    writeFileSync(Buffer.concat([Buffer.from(`${nim.realPath}/`), Buffer.from([0x62, 0xff])]), '')
    symlinkSync('new\nline.bff', inBase('nim/harmless'))
    symlinkSync(Buffer.from([0x62, 0xff]), inBase('nim/harmless-too'))
    for (const path of ['nim/harmless', 'nim/harmless-too']) await t.rejects(resolvePath(inBase(path), [nim]), { code: 'FILE_NAME_REFUSED' })
    await t.rejects(resolvePath(inBase('nim/new\nline.bff'), [nim]), { code: 'PATH_MALFORMED' })
  })
})
