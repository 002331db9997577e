import { execFile } from 'node:child_process'
import 'reflect-metadata'
import { X509CrlGenerator } from '@peculiar/x509'
import { createHash, webcrypto } from 'node:crypto'
import { lstat, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { DEVELOPMENT_CLIENTS } from '../../certs/development.ts'
import { generateDevelopmentPki, runCerts } from '../../certs/generate.ts'

const DAY_MS = 86_400_000
const run = promisify(execFile)
const script = join(import.meta.dirname, '../../certs/generate.ts')

/** Every entry below a folder: path → mode of a folder, mode and digest of a file. */
async function snapshot(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const mode = ((await lstat(path)).mode & 0o7777).toString(8)
    found[path.slice(directory.length + 1)] = entry.isFile() ? `${mode} ${createHash('sha256').update(await readFile(path)).digest('hex')}` : mode
  }
  return found
}

/** Runs the command in this process, standing in `cwd`. */
async function command(cwd: string, ...args: string[]): Promise<{ status: number, out: string, err: string }> {
  const said = { out: '', err: '' }
  const status = await runCerts(args, { cwd, out: (text) => { said.out += text }, err: (text) => { said.err += text } })
  return { status, ...said }
}

void t.test('generateDevelopmentPki writes the files of the README, keys 0600, folders 0700, and nothing beside them', async (t) => {
  const parent = t.testdir()
  const outcome = await generateDevelopmentPki(join(parent, 'a/b/pki'))
  t.match(outcome, { kind: 'made', directory: join(parent, 'a/b/pki') })
  t.strictSame(await readdir(join(parent, 'a/b')), ['pki'], 'no temporary folder is left')
  t.equal((await lstat(outcome.directory)).mode & 0o777, 0o700)
  const found = await snapshot(outcome.directory)
  t.strictSame(Object.keys(found).sort(), [
    'ca.crl', 'ca.key', 'ca.pem', 'clients', 'other-ca', 'other-ca/ca.pem', 'pki.json', 'server.key', 'server.pem',
    ...DEVELOPMENT_CLIENTS.flatMap(({ folder }) => [folder, `${folder}/ca.pem`, `${folder}/client.key`, `${folder}/client.pem`])
  ].sort())
  for (const [path, entry] of Object.entries(found)) {
    const want = path.endsWith('.key') ? /^600 / : /\.(pem|crl|json)$/.test(path) ? /^6[0-4][04] / : /^700$/
    t.match(entry, want, path)
  }
  const ca = await readFile(join(outcome.directory, 'ca.pem'), 'utf8')
  t.equal(await readFile(join(outcome.directory, 'clients/auditor/ca.pem'), 'utf8'), ca)
})

void t.test('generateDevelopmentPki keeps a good PKI byte for byte, with a file of the user\'s in it, and --force makes it anew', async (t) => {
  const directory = join(t.testdir(), 'pki')
  const made = await generateDevelopmentPki(directory)
  const before = await snapshot(directory)
  const kept = await generateDevelopmentPki(directory)
  t.equal(kept.kind, 'kept')
  t.equal(Math.floor(made.validUntil.getTime() / 1000) * 1000, kept.validUntil.getTime())
  t.strictSame(await snapshot(directory), before)

  const remade = await generateDevelopmentPki(directory, { force: true })
  t.match(remade, { kind: 'remade', reason: 'forced' })
  const after = await snapshot(directory)
  t.strictSame(Object.keys(after).sort(), Object.keys(before).sort())
  for (const path of Object.keys(after).filter((name) => /\.(key|pem|crl)$/.test(name))) t.not(after[path], before[path], path)

  await writeFile(join(directory, 'clients/auditor/notes.txt'), 'mine')
  t.equal((await generateDevelopmentPki(directory)).kind, 'kept')
  await t.rejects(generateDevelopmentPki(directory, { force: true }), { code: 'FOLDER_HAS_OTHER_FILES', message: /clients\/auditor\/notes\.txt/ })
  t.equal(await readFile(join(directory, 'clients/auditor/notes.txt'), 'utf8'), 'mine')
})

void t.test('generateDevelopmentPki makes a PKI anew a day before its CRL ends, and when it does not hold yet', async (t) => {
  const directory = join(t.testdir(), 'pki')
  const start = new Date('2030-06-01T00:00:00Z')
  const at = (days: number) => generateDevelopmentPki(directory, { clock: () => new Date(start.getTime() + days * DAY_MS) })
  t.equal((await at(0)).kind, 'made')
  t.equal((await at(363.9)).kind, 'kept')
  t.match(await at(364), { kind: 'remade', reason: 'out of date' })
  t.equal((await at(364)).kind, 'kept')
  t.match(await at(0), { kind: 'remade', reason: 'out of date' }, 'the clock was set back')
  t.match(await at(4000), { kind: 'remade', reason: 'out of date' })
  t.strictSame(await readdir(join(directory, '..')), ['pki'])
})

void t.test('generateDevelopmentPki fills an empty folder and follows a link to a PKI', async (t) => {
  const parent = t.testdir({ empty: {} })
  await symlink('empty', join(parent, 'link'))
  t.match(await generateDevelopmentPki(join(parent, 'link')), { kind: 'made', directory: join(parent, 'empty') })
  t.equal((await generateDevelopmentPki(join(parent, 'link'), { force: true })).kind, 'remade')
  t.ok((await lstat(join(parent, 'link'))).isSymbolicLink())
})

void t.test('generateDevelopmentPki called several times at once makes one PKI, and each caller is told of that one', async (t) => {
  const parent = t.testdir()
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => generateDevelopmentPki(join(parent, 'pki'))))
  t.strictSame(outcomes.map(({ kind }) => kind).sort(), ['kept', 'kept', 'kept', 'made'])
  t.strictSame(await readdir(parent), ['pki'])
})

void t.test('a PKI is never seen half made, neither while it is written nor after the process was killed', async (t) => {
  const parent = t.testdir()
  const directory = join(parent, 'pki')
  const child = execFile(process.execPath, [script, '--out', directory])
  const ended = new Promise((resolve) => { child.once('close', resolve) })
  while ((await readdir(parent)).length === 0) await setImmediate()
  child.kill('SIGKILL')
  await ended
  const left = await readdir(parent)
  t.ok(left.length === 1 && (left[0] === 'pki' || left[0]?.startsWith('.pki-')), `left: ${left.join()}`)
  await rm(directory, { recursive: true, force: true })

  const making = generateDevelopmentPki(directory)
  const done = making.then(() => true)
  const seen = new Set<number>()
  while (!await Promise.race([done, setImmediate(false)])) seen.add((await readdir(directory).catch(() => [])).length)
  const whole = (await readdir(directory)).length
  t.strictSame([...seen].filter((count) => count !== 0 && count !== whole), [])
  t.ok(seen.has(0), 'it was looked at in the meantime')
})

const FOREIGN: readonly (readonly [string, Record<string, string>])[] = [
  ['a folder with other files', { 'notes.txt': 'mine' }],
  ['a manifest that is no JSON', { 'pki.json': '{' }],
  ['a manifest of null', { 'pki.json': 'null' }],
  ['a manifest of another program', { 'pki.json': JSON.stringify({ madeBy: 'someone', version: 1, files: [] }) }],
  ['a manifest of another version', { 'pki.json': JSON.stringify({ madeBy: 'signing-server certs', version: 2, files: [] }) }],
  ['a manifest without a list', { 'pki.json': JSON.stringify({ madeBy: 'signing-server certs', version: 1, files: 'all' }) }],
  ['a manifest with a wrong list', { 'pki.json': JSON.stringify({ madeBy: 'signing-server certs', version: 1, files: [1] }) }]
]

for (const [name, files] of FOREIGN) {
  void t.test(`generateDevelopmentPki refuses ${name}, even by force, and changes nothing`, async (t) => {
    const parent = t.testdir({ pki: files })
    const before = await snapshot(parent)
    for (const force of [false, true]) await t.rejects(generateDevelopmentPki(join(parent, 'pki'), { force }), { code: 'FOLDER_NOT_OURS' })
    t.strictSame(await snapshot(parent), before)
  })
}

/** A CRL without `nextUpdate`, which RFC 5280 forbids and `issueCrl` cannot make. */
async function writeEndlessCrl(path: string): Promise<void> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  await writeFile(path, (await X509CrlGenerator.create({ issuer: 'CN=a', signingKey: privateKey, signingAlgorithm: algorithm })).toString('pem'))
}

const DAMAGES: readonly (readonly [string, RegExp, (directory: string) => Promise<void>])[] = [
  ['a missing key', /server\.key/, (directory) => rm(join(directory, 'server.key'))],
  ['an empty certificate', /PEM/i, (directory) => writeFile(join(directory, 'ca.pem'), '')],
  ['an empty CRL', /./, (directory) => writeFile(join(directory, 'ca.crl'), '')],
  ['a CRL without an end', /ca\.crl has no nextUpdate/, (directory) => writeEndlessCrl(join(directory, 'ca.crl'))],
  ['the key of another certificate', /clients\/auditor\/client\.key does not belong/, async (directory) => {
    await writeFile(join(directory, 'clients/auditor/client.key'), await readFile(join(directory, 'server.key')))
  }],
  ['a manifest that lists no files', /pki\.json does not list ca\.pem/, (directory) => writeFile(join(directory, 'pki.json'), JSON.stringify({ madeBy: 'signing-server certs', version: 1, files: [] }))],
  ['a manifest that lists a key without its certificate', /pki\.json does not list ca\.pem/, (directory) => {
    return writeFile(join(directory, 'pki.json'), JSON.stringify({ madeBy: 'signing-server certs', version: 1, files: ['ca.key'] }))
  }]
]

for (const [name, fault, damage] of DAMAGES) {
  void t.test(`generateDevelopmentPki refuses a PKI with ${name} as damaged and changes nothing`, async (t) => {
    const directory = join(t.testdir(), 'pki')
    await generateDevelopmentPki(directory)
    await damage(directory)
    const before = await snapshot(directory)
    await t.rejects(generateDevelopmentPki(directory), { code: 'PKI_DAMAGED', message: fault })
    t.strictSame(await snapshot(directory), before)
  })
}

void t.test('generateDevelopmentPki makes a damaged PKI anew by force', async (t) => {
  const directory = join(t.testdir(), 'pki')
  await generateDevelopmentPki(directory)
  await rm(join(directory, 'clients'), { recursive: true })
  t.match(await generateDevelopmentPki(directory, { force: true }), { kind: 'remade', reason: 'forced' })
  t.equal((await generateDevelopmentPki(directory)).kind, 'kept')
})

void t.test('generateDevelopmentPki leaves nothing behind when it cannot write', async (t) => {
  const parent = t.testdir({ file: 'a file' })
  await t.rejects(generateDevelopmentPki(join(parent, 'file')), { code: 'NOT_A_FOLDER' })
  await t.rejects(generateDevelopmentPki(join(parent, 'file/pki')), { code: 'ENOTDIR' })
  await symlink('nowhere', join(parent, 'link'))
  await t.rejects(generateDevelopmentPki(join(parent, 'link')), { code: 'ENOTDIR' }, 'the rename onto a dead link fails after all is written')
  t.strictSame((await readdir(parent)).sort(), ['file', 'link'])
})

void t.test('certs says what it made and the next step, keeps it the next time, and makes it anew by force', async (t) => {
  const cwd = t.testdir()
  const made = await command(cwd, '--out', 'my keys')
  t.equal(made.status, 0)
  t.equal(made.err, '')
  t.match(made.out, /^Made a development PKI in .*\/my keys \(good until \d{4}-\d\d-\d\d\):\n/)
  for (const { folder } of DEVELOPMENT_CLIENTS) t.ok(made.out.includes(`\n  ${folder}/ `), folder)
  t.ok(made.out.includes(`cp '${cwd}/my keys'/clients/release-bot/* ~/.ssh/signing-server/\n`))
  t.match(await command(cwd, '--out', 'my keys'), { status: 0, err: '', out: /^Kept the development PKI that is in .*\/my keys .*--force makes it anew\.\n$/ })
  t.match(await command(cwd, '--out', 'my keys', '--force'), { status: 0, err: '', out: /^Made the development PKI anew \(forced\) in / })
})

void t.test('the next step of certs is a shell command that works', async (t) => {
  const home = t.testdir({ '.ssh': {} })
  const { out } = await command(home, '--out', "it's $HOME")
  const step = out.split('\n').find((line) => line.startsWith('  mkdir')) ?? ''
  await run('sh', ['-c', step], { env: { ...process.env, HOME: home } })
  t.strictSame((await readdir(join(home, '.ssh/signing-server'))).sort(), ['ca.pem', 'client.key', 'client.pem'])
  t.equal((await lstat(join(home, '.ssh/signing-server/client.key'))).mode & 0o777, 0o600)
})

const WRONG: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['an unknown option', ['--uot', 'x'], /--uot/],
  ['a word that is no option', ['x'], /'x'/],
  ['--out without a folder', ['--out'], /--out/],
  ['--out with an empty folder', ['--out', ''], /--out needs a folder/]
]

for (const [name, args, fault] of WRONG) {
  void t.test(`certs answers 2 and a usage line for ${name}, and makes nothing`, async (t) => {
    const cwd = t.testdir()
    const answer = await command(cwd, ...args)
    t.match(answer, { status: 2, out: '', err: fault })
    t.match(answer.err, /\nusage: npm run -s certs -- \[--out DIR\] \[--force\] \[--help\]\n$/)
    t.strictSame(await readdir(cwd), [])
  })
}

void t.test('certs --help answers 0 with every option', async (t) => {
  const answer = await command(t.testdir(), '--help')
  t.match(answer, { status: 0, err: '' })
  for (const option of ['--out', '--force', '--help']) t.ok(answer.out.includes(`\n  ${option}`), option)
})

void t.test('certs answers 1 and one sentence for a refusal and for a failure', async (t) => {
  const cwd = t.testdir({ 'notes.txt': 'mine' })
  const refused = await command(cwd, '--out', '.')
  t.match(refused, { status: 1, out: '', err: /^certs: .* is not empty and is not a development PKI of this project; nothing was changed\n$/ })
  const failed = await command(cwd, '--out', 'x'.repeat(300))
  t.match(failed, { status: 1, out: '', err: /^certs: ENAMETOOLONG.*\n$/ })
})

void t.test('node certs/generate.ts puts a relative folder where npm was called, else where it is called', async (t) => {
  const cwd = t.testdir({ caller: {}, project: {} })
  const { INIT_CWD: _, ...env } = process.env
  const where = { cwd: join(cwd, 'project') }
  await run(process.execPath, [script, '--out', 'a'], { ...where, env: { ...env, INIT_CWD: join(cwd, 'caller') } })
  await run(process.execPath, [script, '--out', 'b'], { ...where, env })
  t.strictSame([await readdir(join(cwd, 'caller')), await readdir(join(cwd, 'project'))], [['a'], ['b']])
  await t.rejects(run(process.execPath, [script, '--wrong'], { ...where, env }), { code: 2, stdout: '', stderr: /usage/ })
})
