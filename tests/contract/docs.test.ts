import { existsSync, readFileSync } from 'node:fs'
import { copyFile, glob, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../server/config/load.ts'
import { makePlace } from '../helpers/place.ts'

const pages = (await Array.fromAsync(glob('{*.md,docs/**/*.md,certs/*.md}'))).sort()

/** The anchors of a page, as a forge makes them from its headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = [...readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title)
  return new Set(headings.map((title) => title.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')))
}

void test('every link between the pages leads somewhere', async (t) => {
  t.ok(pages.length > 20, `${pages.length} pages`)
  for (const page of pages) {
    const prose = (await readFile(page, 'utf8')).replaceAll(/^```[\s\S]*?^```/gm, '')
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : normalize(join(dirname(page), path))
      t.ok(existsSync(file), `${page}: ${target}`)
      if (anchor !== undefined && file.endsWith('.md')) t.ok(anchorsOf(file).has(anchor), `${page}: ${target}`)
    }
  }
})

void test('every script that a page tells to run exists', async (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const page of pages) {
    for (const [, name = ''] of readFileSync(page, 'utf8').matchAll(/npm run (?:-s |--silent )?([a-z][a-z:-]*)/g)) t.ok(name in scripts, `${page}: npm run ${name}`)
  }
})

const examples = (await Array.fromAsync(glob('examples/config/*.yaml'))).sort()

void test('there are example configurations', async (t) => {
  t.ok(examples.length >= 2)
})

for (const example of examples) {
  void test(`${example} is a configuration that loads where its files are`, async (t) => {
    const { folder } = await makePlace(t)
    const text = (await readFile(example, 'utf8')).replaceAll(/(?<=[ "':])\/(?=(?:export|var|etc\/signing-server)\/)/g, `${folder}/`)
    const file = join(folder, 'example.yaml')
    await writeFile(file, text)
    await furnish(folder, parse(text) as Record<string, unknown>)
    const config = await loadConfig(file)
    t.ok(config.clients.length > 0)
  })
}

/** Puts a file or directory wherever the example names one. */
async function furnish(folder: string, config: Record<string, unknown>): Promise<void> {
  const { roots, tls, keys, signer, store } = config as { roots: { path: string }[]; tls: Record<string, string>; keys: Record<string, string>[]; signer?: { workDir?: string }; store?: Record<string, string> }
  const at = (path: string) => (path.startsWith('/') ? path : join(folder, path))
  for (const path of [...roots.map((root) => root.path), signer?.workDir].filter((path) => path !== undefined)) await mkdir(at(path), { recursive: true })
  const files: readonly (readonly [string, string | undefined])[] = [
    ['server.pem', tls['cert']], ['server.key', tls['key']], ['ca.pem', tls['clientCa']], ['ca.crl', tls['crl']], ['1001.pem', store?.['passwordFile']], ['ca.pem', store?.['ca']],
    ...keys.flatMap(({ path, passphraseFile, publicKey, certificate }) => [['1001.pem', path], ['1001.pem', passphraseFile], ['1001.pub.pem', publicKey], ['server.pem', certificate]] as const),
  ]
  for (const [source, target] of files) {
    if (target === undefined || at(target) === join(folder, source)) continue
    await mkdir(dirname(at(target)), { recursive: true })
    await copyFile(join(folder, source), at(target))
  }
}

/** The titles of the tests in a file, as far as they stand in it as text. */
function titlesIn(file: string): readonly string[] {
  return [...readFileSync(file, 'utf8').matchAll(/\btest\(\s*(?:'((?:[^'\\]|\\.)*)'|`([^`]*)`)/g)].map(([, quoted, template]) => (quoted ?? template ?? '').replaceAll("\\'", "'"))
}

void test('SECURITY.md names for each threat tests that there are, by file and title', async (t) => {
  const [, table = ''] = (await readFile('SECURITY.md', 'utf8')).split('### Threats, defences, tests')
  const rows = table.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| threat'))
  t.ok(rows.length > 35, `${rows.length} threats`)
  for (const row of rows) {
    const [, threat = '', defence = '', tests = ''] = row.split(/ ?\| ?/)
    t.ok(threat.length > 0 && defence.length > 0, row)
    const named = tests.split('; [').map((entry) => /^\[?(tests\/[^\]]+)\]\(([^)]+)\) “([^”]{12,})”$/.exec(entry))
    t.notOk(named.includes(null), `${threat}: each test is a link and a title`)
    for (const [, file = '', target, title = ''] of named.filter((entry) => entry !== null)) {
      t.equal(file, target)
      t.ok(existsSync(file) && titlesIn(file).some((each) => each.includes(title)), `${file}: ${title}`)
    }
  }
})
