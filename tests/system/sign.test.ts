import { execFile, spawnSync } from 'node:child_process'
import { createVerify } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { formatSignatureFile, parseSignatureFile } from '../../formats/index.ts'
import type { SignAnswer, SignEvent } from '../../server/schemas/sign.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import { clientOf, problemIn } from '../helpers/client.ts'
import { count } from '../helpers/full-size.ts'
import { isSignatureOf, packageSource, putPackage, putPackages } from '../helpers/packages.ts'
import { testPki } from '../helpers/pki.ts'
import { startServer } from '../helpers/server.ts'
import { rsaKeyPair } from '../helpers/signables.ts'
import type { RsaKeyPair } from '../helpers/signables.ts'

const run = promisify(execFile)
const has = (program: string, argument: string): boolean => spawnSync(program, [argument]).status === 0
const needsOpenssl = has('openssl', 'version') ? false : 'skipped: there is no openssl on this machine'
const needsCurl = has('curl', '--version') ? false : 'skipped: there is no curl on this machine'

const server = await startServer(t, { config: { signatureFile: 'records' } })
const client = await clientOf(t, server.url)

/** A directory of its own in the root. */
function folder(name: string): string {
  const path = join(server.root, name)
  mkdirSync(path)
  return path
}

const signatureFileRecords = () => parseSignatureFile(readFileSync(join(server.folder, 'records')), { signatureBytes: 256 })

async function opensslAccepts({ signature }: Signature, file: string, scratch: string): Promise<boolean> {
  const raw = join(scratch, 'signature')
  writeFileSync(raw, Buffer.from(signature, 'base64'))
  const { stdout } = await run('openssl', ['dgst', '-sha256', '-verify', server.publicKeyPath, '-signature', raw, file])
  return stdout.trim() === 'Verified OK'
}

void t.test('a package named by its file is signed, with one record per fileset and everything the answer promises', async (t) => {
  const filesets = [{ fileset: 'PkgB.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgB.man.en_US', vrmf: '7.3.2.10' }, { fileset: 'PkgB.adt', vrmf: '2.1.0.3' }]
  const path = putPackage(folder('one'), 'PkgB', { filesets })
  const answer = await client.sign({ path })
  const signature = answer.signatures['PkgB.1.0.0.0.bff'] as Signature
  t.strictSame({ ...answer, signatures: Object.keys(answer.signatures) }, { path, files: ['PkgB.1.0.0.0.bff'], signatures: ['PkgB.1.0.0.0.bff'], failures: {}, skipped: {}, warnings: [] })
  t.ok(isSignatureOf(signature, path, server.publicKey))
  t.strictSame(signature.records.map((record) => Object.keys(record)), Array.from({ length: 3 }, () => ['keyid', 'package', 'timestamp', 'fileset', 'ftype', 'vrmf', 'signature']))
  t.strictSame(signature.records.map(({ keyid, package: name, timestamp, fileset, ftype, vrmf }) => [keyid, name, timestamp, fileset, ftype, vrmf].join(' ')), [
    '1001 PkgB 1375425475 PkgB.rte I 1.0.0.0', '1001 PkgB 1375425475 PkgB.man.en_US I 7.3.2.10', '1001 PkgB 1375425475 PkgB.adt I 2.1.0.3',
  ])
  t.match(signature, { filename: 'PkgB.1.0.0.0.bff', sizeBytes: readFileSync(path).length, keyid: '1001', algorithm: 'rsa-2048-sha256', covers: 'file', replayed: false })
})

void t.test('an update of type S is signed like any other package', async (t) => {
  const path = putPackage(folder('update'), 'PkgC', { type: 'S', filesets: [{ fileset: 'PkgC.rte', vrmf: '7.3.2.1' }], filename: 'PkgC.rte.7.3.2.1.U' })
  const answer = await client.sign({ path })
  t.match(answer.signatures['PkgC.rte.7.3.2.1.U']?.records, [{ ftype: 'S', fileset: 'PkgC.rte', vrmf: '7.3.2.1' }])
})

void t.test('a package is known by its content: one without an extension is signed, a text called .bff is not', async (t) => {
  const path = folder('by-content')
  putPackage(path, 'PkgA', { filename: 'no-extension' })
  writeFileSync(join(path, 'text.bff'), 'not a package\n')
  const answer = await client.sign({ path })
  t.strictSame([Object.keys(answer.signatures), answer.skipped, answer.failures], [['no-extension'], { 'text.bff': 'NOT_A_PACKAGE' }, {}])
  t.match(problemIn(await client.trySign({ path: join(path, 'text.bff') })), { code: 'NOT_A_PACKAGE', status: 422 })
})

void t.test(`a directory of ${count(120, 1000)} packages is signed in one request, all of them, in name order`, async (t) => {
  const path = folder('many')
  const names = putPackages(path, count(120, 1000))
  const answer = await client.sign({ path })
  t.strictSame(answer.files, names)
  t.strictSame(Object.keys(answer.signatures), names, 'the signatures stand in the order of the listing')
  t.strictSame([answer.failures, answer.skipped, answer.warnings], [{}, {}, []])
  t.strictSame(names.filter((name) => !isSignatureOf(answer.signatures[name] as Signature, join(path, name), server.publicKey)), [], 'each verifies over its file')
  t.equal(new Set(names.map((name) => answer.signatures[name]?.id)).size, names.length)

  await t.test('each signature is accepted by openssl dgst -sha256 -verify', { skip: needsOpenssl }, async (t) => {
    const scratch = t.testdir()
    const refused: string[] = []
    // A quick run looks at every sixth.
    for (const name of names.filter((_, index) => index % count(6, 1) === 0)) {
      if (!(await opensslAccepts(answer.signatures[name] as Signature, join(path, name), scratch))) refused.push(name)
    }
    t.strictSame(refused, [])
  })

  await t.test('each record is in the signature file on disk, which is canonical', async (t) => {
    const kept = new Map(signatureFileRecords().map((record) => [record.package, record]))
    t.strictSame(names.map((name) => kept.get(answer.signatures[name]!.records[0]!.package)), names.map((name) => answer.signatures[name]!.records[0]))
    t.equal(formatSignatureFile(signatureFileRecords()), readFileSync(join(server.folder, 'records'), 'latin1'))
  })

  await t.test('each is in the catalogue under its id', async (t) => {
    for (const name of names.slice(0, 20)) {
      const signature = answer.signatures[name] as Signature
      const { status, text } = await client.ask(`/signatures/${signature.id}`)
      t.strictSame([status, JSON.parse(text)], [200, signature])
    }
  })
})

void t.test('GET /signatures/{id} gives the same answer for an id that is not there and for one of another client', async (t) => {
  const path = putPackage(folder('mine'))
  const { id } = (await client.sign({ path })).signatures['PkgA.1.0.0.0.bff'] as Signature
  const shared = await startServer(t, { place: server, config: { clients: [{ name: 'other', match: { san: 'URI:urn:example:auditor' }, allow: ['getSignature'], keys: ['1001'], roots: ['nim'] }] } })
  const other = await clientOf(t, shared.url, 'auditor')
  const [foreign, missing] = [problemIn(await other.ask(`/signatures/${id}`)), problemIn(await other.ask('/signatures/00000000-0000-4000-8000-000000000000'))]
  t.match(foreign, { code: 'SIGNATURE_NOT_FOUND', status: 404 })
  t.strictSame({ ...foreign, instance: '' }, { ...missing, instance: '' })
})

void t.test('subdirectories are skipped unless recursive is asked for; then names are relative to the directory', async (t) => {
  const path = folder('tree')
  mkdirSync(join(path, 'sub', 'deep'), { recursive: true })
  putPackage(path, 'PkgTop')
  putPackage(join(path, 'sub'), 'PkgSub')
  putPackage(join(path, 'sub', 'deep'), 'PkgDeep')
  writeFileSync(join(path, 'sub', '.toc'), '0 010203042026 2\nPkgSub.1.0.0.0.bff 4 R I PkgSub {\nPkgSub.rte 1.0.0.0 01 N U en_US x\n}\n')
  const flat = await client.sign({ path })
  t.strictSame([flat.files, flat.skipped], [['PkgTop.1.0.0.0.bff', 'sub'], { sub: 'DIRECTORY' }])
  const deep = await client.sign({ path, recursive: true })
  t.strictSame(deep.files, ['PkgTop.1.0.0.0.bff', 'sub/.toc', 'sub/PkgSub.1.0.0.0.bff', 'sub/deep/PkgDeep.1.0.0.0.bff'])
  t.strictSame(deep.skipped, { 'sub/.toc': 'TOC' })
  t.ok(isSignatureOf(deep.signatures['sub/deep/PkgDeep.1.0.0.0.bff'] as Signature, join(path, 'sub/deep/PkgDeep.1.0.0.0.bff'), server.publicKey))
})

void t.test('an empty directory is answered with no names and the warning NO_PACKAGES', async (t) => {
  const path = folder('empty')
  t.match(await client.sign({ path }), { files: [], signatures: {}, failures: {}, skipped: {}, warnings: [{ code: 'NO_PACKAGES' }] })
})

void t.test('with Accept: application/x-ndjson the same arrives as events: the listing first, one per name, the end last', async (t) => {
  const path = folder('events')
  const names = putPackages(path, 20)
  mkdirSync(join(path, 'sub'))
  writeFileSync(join(path, 'broken.bff'), readFileSync(join(path, names[0] as string)).subarray(0, 300))
  const events = await client.signEvents({ path })
  t.strictSame(events[0], { event: 'listing', kind: 'directory', path, files: [...names, 'broken.bff', 'sub'] })
  t.strictSame(events.at(-1), { event: 'end', signed: 20, failed: 1, skipped: 1 })
  const named = events.slice(1, -1) as readonly Extract<SignEvent, { name: string }>[]
  t.strictSame(named.map(({ name }) => name).sort(), [...names, 'broken.bff', 'sub'].sort())
  t.match(named.filter(({ event }) => event !== 'signature').sort((a, b) => a.name.localeCompare(b.name)), [
    { event: 'failure', name: 'broken.bff', problem: { code: 'PACKAGE_MALFORMED' } }, { event: 'skipped', name: 'sub', reason: 'DIRECTORY' },
  ])
  for (const event of named) if (event.event === 'signature') t.ok(isSignatureOf(event.signature, join(path, event.name), server.publicKey), event.name)
})

void t.test('one connection after another, and fifty at once, are all served', async (t) => {
  const path = putPackage(folder('connections'))
  const served = (answer: SignAnswer) => isSignatureOf(answer.signatures['PkgA.1.0.0.0.bff'] as Signature, path, server.publicKey)
  for (let turn = 0; turn < 5; turn += 1) {
    const single = await clientOf(t, server.url)
    t.ok(served(await single.sign({ path })), `connection ${turn}`)
    await single.dispatcher.close()
  }
  const before = server.logs().filter(({ msg }) => msg === 'client connected').length
  const crowd = await Promise.all(Array.from({ length: 50 }, async () => await clientOf(t, server.url)))
  const answers = await Promise.all(crowd.map(async (each) => await each.sign({ path })))
  t.ok(answers.every(served))
  t.equal(server.logs().filter(({ msg }) => msg === 'client connected').length - before, 50, 'fifty connections')
})

void t.test('curl with the three files of a client gets its signature', { skip: needsCurl }, async (t) => {
  const path = putPackage(folder('curl'))
  const { certPath, keyPath, caPath } = (await testPki()).clients['release-bot']
  const credentials = ['--silent', '--show-error', '--cert', certPath, '--key', keyPath, '--cacert', caPath]
  const { stdout } = await run('curl', [...credentials, `${server.url}/sign`, '-H', 'content-type: application/json', '-d', JSON.stringify({ path })])
  t.ok(isSignatureOf((JSON.parse(stdout) as SignAnswer).signatures['PkgA.1.0.0.0.bff'] as Signature, path, server.publicKey))
  const { stdout: listing } = await run('curl', [...credentials, '--get', `${server.url}/files`, '--data-urlencode', `path=${path}`])
  t.match(JSON.parse(listing), { path, files: [{ name: 'PkgA.1.0.0.0.bff', kind: 'file', format: 'installp', signed: true }], nextCursor: null })
})

void t.test('keys of 2048, 3072 and 4096 bits, plain and encrypted, sign so that their public keys verify', async (t) => {
  const keys = ([[2048, 'plain'], [2048, 'encrypted'], [3072, 'plain'], [4096, 'encrypted']] as const).map(([bits, form], index) => ({
    bits, form, keyid: String(2000 + index), pair: rsaKeyPair(bits),
  }))
  const many = await startServer(t, {
    config: ({ folder: place }) => ({
      keys: keys.map(({ form, keyid, pair }) => ({ keyid, kind: 'file', ...writeKey(place, keyid, { pair, form }) })),
      clients: [{ name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: ['sign'], keys: keys.map(({ keyid }) => keyid), roots: ['nim'] }],
    }),
  })
  const path = putPackage(many.root)
  const caller = await clientOf(t, many.url)
  for (const { bits, form, keyid, pair } of keys) {
    const signature = (await caller.sign({ path, keyid })).signatures['PkgA.1.0.0.0.bff'] as Signature
    t.match(signature, { keyid, algorithm: `rsa-${bits}-sha256`, records: [{ keyid }] })
    t.equal(Buffer.from(signature.signature, 'base64').length, bits / 8)
    t.ok(isSignatureOf(signature, path, pair.publicKey), `${bits} ${form}`)
  }
  t.match(problemIn(await caller.trySign({ path })), { code: 'KEYID_REQUIRED', status: 400 })
  t.match(problemIn(await caller.trySign({ path, keyid: '9' })), { code: 'KEY_NOT_AVAILABLE', status: 403 })
})

type KeyFile = Readonly<{ pair: RsaKeyPair; form: 'plain' | 'encrypted' }>

function writeKey(place: string, keyid: string, { pair: { privateKey }, form }: KeyFile): Readonly<{ path: string; passphraseFile?: string }> {
  const encryption = form === 'encrypted' ? { cipher: 'aes-256-cbc', passphrase: 'correct horse' } : {}
  writeFileSync(join(place, `${keyid}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption }), { mode: 0o600 })
  if (form === 'plain') return { path: `${keyid}.pem` }
  writeFileSync(join(place, `${keyid}.pass`), 'correct horse\n', { mode: 0o600 })
  return { path: `${keyid}.pem`, passphraseFile: `${keyid}.pass` }
}

void t.test('the timestamp of a record is what the configuration says: syntax and source', async (t) => {
  const stamp = async (timestamp: unknown): Promise<string> => {
    const stamping = await startServer(t, { config: { signer: { kind: 'embedded', timestamp } } })
    const path = putPackage(stamping.root, 'PkgA', packageSource('PkgA', { builtAt: new Date('2026-01-02T03:04:05Z') }))
    const answer = await (await clientOf(t, stamping.url)).sign({ path })
    await stamping.stop()
    return answer.signatures['PkgA.1.0.0.0.bff']?.records[0]?.timestamp ?? ''
  }
  const built = Date.UTC(2026, 0, 2, 3, 4, 5)
  const started = Date.now()
  const [digits, epoch, now] = await Promise.all([
    stamp({ syntax: 'yyyymmddhhmmss', source: 'build' }), stamp({ syntax: 'epoch', source: 'lppName' }), stamp({ syntax: 'epoch', source: 'signing' }),
  ])
  t.equal(digits, '20260102030405')
  t.equal(epoch, String(built / 1000))
  t.ok(Number(now) * 1000 >= started - 1000 && Number(now) * 1000 <= Date.now(), 'the time of signing')
})

void t.test('what was kept survives a restart: ids are still found and the signature file goes on', async (t) => {
  const first = await startServer(t, { config: { signatureFile: 'records' } })
  const path = putPackage(first.root)
  const before = (await (await clientOf(t, first.url)).sign({ path })).signatures['PkgA.1.0.0.0.bff'] as Signature
  t.strictSame(await first.stop(), { code: 0, signal: null })
  const second = await startServer(t, { place: first, config: { signatureFile: 'records' } })
  const caller = await clientOf(t, second.url)
  t.strictSame(JSON.parse((await caller.ask(`/signatures/${before.id}`)).text), before)
  const listed = JSON.parse((await caller.ask(`/files?path=${encodeURIComponent(path)}`)).text) as { files: readonly { signed: boolean }[] }
  t.equal(listed.files[0]?.signed, true)
  await caller.sign({ path, force: true })
  t.equal(parseSignatureFile(readFileSync(join(first.folder, 'records'))).length, 2)
})

void t.test('GET /keys has the public key with which the signatures verify, and no private part', async (t) => {
  const path = putPackage(folder('public'))
  const { text } = await client.ask('/keys')
  const [key] = (JSON.parse(text) as { keys: readonly { publicKeyPem: string }[] }).keys
  const { signature } = (await client.sign({ path })).signatures['PkgA.1.0.0.0.bff'] as Signature
  t.ok(createVerify('RSA-SHA256').update(readFileSync(path)).verify(key?.publicKeyPem as string, signature, 'base64'))
  t.notMatch(text, /PRIVATE/)
})
