import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findDsb, formatDsb, parseDscScript, parseSignatureFile } from '../../formats/index.ts'
import { createClient, type Signature } from '../../sdk/index.ts'
import { abort, sign as signWith, type Said } from '../cli/harness.ts'
import { count } from '../helpers/full-size.ts'
import { putLargePackage, putPackage } from '../helpers/packages.ts'
import { testPki } from '../helpers/pki.ts'
import { startServer } from '../helpers/server.ts'
import { rsaKeyPair } from '../helpers/signables.ts'

const has = (program: string): boolean => spawnSync(program, ['--help']).error === undefined
const needsOpenssl = has('openssl') && has('dd') ? false : 'skipped: there is no openssl or no dd on this machine'

const KEY_PATH = '/etc/security/certificates/example.pem'
const OPERATIONS = ['sign', 'listFiles', 'verify', 'getSignature', 'exportSignature', 'listKeys', 'getKey', 'exportKey', 'whoami']

const server = await startServer(t, {
  config: ({ folder }) => {
    const other = rsaKeyPair(3072)
    writeFileSync(join(folder, '3072.pem'), other.pem, { mode: 0o600 })
    return {
      keys: [{ keyid: '1001', kind: 'file', path: '1001.pem', installedPath: KEY_PATH }, { keyid: '3072', kind: 'file', path: '3072.pem', installedPath: KEY_PATH }],
      clients: [
        { name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: [...OPERATIONS], keys: ['1001'], roots: ['nim'], digestOnly: true },
        { name: 'auditor', match: { san: 'URI:urn:example:auditor' }, allow: [...OPERATIONS], keys: ['1001', '3072'], roots: ['nim'] },
      ],
      limits: { bodyBytes: 16_384, fileBytes: 1_073_741_824 },
    }
  },
})
const { clients } = await testPki()
const flags = (who: 'release-bot' | 'auditor') => ['--port', String(server.port), '--cert', clients[who].certPath, '--key', clients[who].keyPath, '--ca', clients[who].caPath]

/** Runs `sign` in this process against the real server. */
async function sign(args: readonly string[], { cwd = server.folder, who = 'release-bot' }: Readonly<{ cwd?: string; who?: 'release-bot' | 'auditor' }> = {}): Promise<Said> {
  const [word, ...rest] = args
  if (word === 'inspect' || word === 'detach-dsb') return await signWith(args, { cwd })
  const isWord = ['verify', 'export', 'keys', 'signatures'].includes(word ?? '')
  return await signWith(isWord ? [word!, ...flags(who), ...rest] : [...flags(who), ...args], { cwd })
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A directory of this machine that the server cannot sign by path. */
function folder(name: string): string {
  const path = join(server.folder, name)
  mkdirSync(path)
  return path
}

function opensslVerifies(signatureFile: string, file: string): boolean {
  return spawnSync('openssl', ['dgst', '-sha256', '-verify', server.publicKeyPath, '-signature', signatureFile, file]).stdout.toString().trim() === 'Verified OK'
}

void t.test('files that are sent are signed, with their records printed in the order in which they were named', async (t) => {
  const here = folder('upload')
  const [a, b] = [putPackage(here, 'PkgA'), putPackage(here, 'PkgB')]
  const one = await sign(['--upload', 'PkgA.1.0.0.0.bff'], { cwd: here })
  t.equal(one.status, 0, one.stderr)
  t.match(one.stdout, /^File to be signed: .*\/upload\/PkgA\.1\.0\.0\.0\.bff\n\nPkgA\.1\.0\.0\.0\.bff: \{"keyid": "1001", "package": "PkgA", "timestamp": "1375425475", "fileset": "PkgA\.rte", "ftype": "I", "vrmf": "1\.0\.0\.0", "signature": "[^"]+"\}\n$/)
  const both = await sign(['--upload', '*.bff'], { cwd: here })
  t.strictSame(both.stdout.split('\n').map((line) => line.split(':')[0]), ['PkgA.1.0.0.0.bff', 'PkgB.1.0.0.0.bff', ''], 'a quoted pattern is expanded, and several files have no heading')
  t.match(both.stderr, 'signed 2 of 2 files, failed 0, skipped 0\n')
  const reversed = await sign(['--upload', '--output', 'signature-file', b, a], { cwd: here })
  t.strictSame(parseSignatureFile(reversed.stdout).map(({ fileset }) => fileset), ['PkgB.rte', 'PkgA.rte'])
  const json = JSON.parse((await sign(['--upload', '--output', 'json', 'PkgA*', './PkgA.1.0.0.0.bff', 'missing.bff'], { cwd: here })).stdout) as { files: string[]; signatures: Record<string, Signature>; failures: Record<string, { code: string }> }
  t.strictSame([json.files, Object.keys(json.signatures), json.failures['missing.bff']?.code], [['PkgA.1.0.0.0.bff', 'missing.bff'], ['PkgA.1.0.0.0.bff'], 'FILE_UNREADABLE'])
  t.match(json.signatures['PkgA.1.0.0.0.bff'], { source: 'upload', sha256: sha256(readFileSync(a)) })
})

void t.test('one file that cannot be signed does not spoil the others, and the exit status is 1', async (t) => {
  const here = folder('mixed')
  putPackage(here, 'PkgC')
  writeFileSync(join(here, 'notes.txt'), 'hello')
  writeFileSync(join(here, 'broken.bff'), readFileSync(join(here, 'PkgC.1.0.0.0.bff')).subarray(0, 300))
  mkdirSync(join(here, 'directory'))
  const { status, stdout, stderr } = await sign(['--upload', 'notes.txt', 'broken.bff', 'directory', 'PkgC.1.0.0.0.bff'], { cwd: here })
  t.equal(status, 1)
  t.match(stdout, /^PkgC\.1\.0\.0\.0\.bff: \{.*\n$/)
  for (const line of ['notes.txt: NOT_A_PACKAGE ', 'broken.bff: PACKAGE_MALFORMED ', 'directory: FILE_KIND_REFUSED it is a directory, no regular file\n']) t.match(stderr, line)
  const digests = await sign(['--digest', 'broken.bff', 'directory', 'PkgC.1.0.0.0.bff'], { cwd: here })
  t.equal(digests.status, 1)
  t.match(digests.stderr, 'broken.bff: PACKAGE_MALFORMED ')
  t.match(digests.stdout, /^PkgC\.1\.0\.0\.0\.bff: \{.*\n$/)
  t.match(await sign(['--upload', 'no*.rpm'], { cwd: here }), { status: 2, stdout: '', stderr: "sign: no file matches 'no*.rpm'\n" })
})

void t.test('a digest alone is signed with the records that the package on this side gives, in as many requests as it takes', async (t) => {
  const here = folder('digests')
  const total = count(80, 1200)
  for (let index = 0; index < total; index += 1) putPackage(here, `Pkg${String(index).padStart(4, '0')}`, { filesets: [{ fileset: 'a.rte', vrmf: '1.0.0.0' }, { fileset: 'b.rte', vrmf: '7.3.2.10' }] })
  writeFileSync(join(here, 'fix.epkg.Z'), Buffer.from('1f9d900000', 'hex'))
  const { status, stdout, stderr } = await sign(['--digest', '--output', 'ndjson', '--concurrency', '8', '*'], { cwd: here })
  t.equal(status, 0, stderr)
  const events = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { event: string; name: string; signature: Signature })
  const signed = events.filter(({ event }) => event === 'signature')
  t.equal(signed.length, total + 1)
  for (const { name, signature } of signed) {
    t.equal(signature.sha256, sha256(readFileSync(join(here, name))))
    t.equal(signature.records.length, name.endsWith('.Z') ? 0 : 2)
    t.match(signature, { source: 'digest', filename: name })
  }
  t.equal(events.filter(({ event }) => event === 'warning').length, 1, 'that the content was not seen is said once')
  const refused = await sign(['--digest', '*.Z'], { cwd: here, who: 'auditor' })
  t.match(refused, { status: 4, stdout: '', stderr: 'sign: DIGEST_NOT_ALLOWED ' })
})

void t.test('an attached package is the original with 1,024 bytes behind it, and openssl accepts every form', { skip: needsOpenssl }, async (t) => {
  const here = folder('attached')
  const packages = [putPackage(here, 'PkgD'), putPackage(here, 'PkgE', { filesets: [{ fileset: 'PkgE.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgE.man', vrmf: '1.0.0.0' }] }), putPackage(here, 'PkgF', { type: 'S', filename: 'PkgF.1.0.0.0.U' })]
  for (const path of packages) {
    const original = readFileSync(path)
    const { status, stderr, stdout } = await sign(['--upload', '--attach', '--detach', '--output', 'json', path])
    t.equal(status, 0, stderr)
    const { id } = Object.values((JSON.parse(stdout) as { signatures: Record<string, Signature> }).signatures)[0]!
    const attached = readFileSync(`${path}.signed`)
    t.ok(attached.subarray(0, -1024).equals(original), 'its last 1,024 bytes cut off, it is the original')
    t.ok(readFileSync(path).equals(original), 'the original is as it was')
    t.ok(opensslVerifies(`${path}.sig`, path), 'sig')
    spawnSync('dd', [`if=${path}.signed`, `of=${path}.cut`, 'bs=1', `skip=${original.length + 256}`, 'count=256'])
    t.ok(opensslVerifies(`${path}.cut`, path), 'the signature in the block')
    const record = await sign(['export', id, '--form', 'record', '--output', `${path}.record`])
    t.equal(record.status, 0, record.stderr)
    writeFileSync(`${path}.raw`, Buffer.from(parseSignatureFile(readFileSync(`${path}.record`))[0]!.signature, 'base64'))
    t.ok(opensslVerifies(`${path}.raw`, path), 'record')
    const dsc = await sign(['export', id, '--form', 'dsc'])
    t.equal(parseDscScript(dsc.stdout)[0]?.signature, parseSignatureFile(readFileSync(`${path}.record`))[0]!.signature, 'dsc')
    t.match(findDsb(attached, attached.length), { kind: 'dsb', totalBytes: 1024, block: { key: { form: 'LOC', path: KEY_PATH } } })
  }
})

void t.test('attaching in place keeps mode and links, is done once, and a package with another block is refused', async (t) => {
  const here = folder('in-place')
  const path = putPackage(here, 'PkgG')
  const original = readFileSync(path)
  chmodSync(path, 0o640)
  symlinkSync('PkgG.1.0.0.0.bff', join(here, 'link.bff'))
  const attach = async (...more: string[]) => await sign(['--upload', '--attach', '--in-place', 'link.bff', ...more], { cwd: here })
  t.equal((await attach()).status, 0)
  t.equal(statSync(path).size, original.length + 1024)
  t.equal(statSync(path).mode & 0o777, 0o640)
  t.strictSame(readdirSync(here), ['PkgG.1.0.0.0.bff', 'link.bff'], 'the link is a link, and nothing is left over')
  const before = statSync(path)
  t.equal((await attach()).status, 0)
  t.strictSame([statSync(path).ino, statSync(path).mtimeMs], [before.ino, before.mtimeMs], 'what is attached already is left alone')
  t.match(await sign(['verify', '--dsblkchk', path]), { status: 0, stdout: /^.*PkgG\.1\.0\.0\.0\.bff: valid, key 1001, signed 20.* for release-bot\n$/ })

  writeFileSync(path, Buffer.concat([original, formatDsb({ signature: Buffer.alloc(256, 7), key: { form: 'LOC', path: KEY_PATH } })]))
  t.match(await attach(), { status: 1, stderr: 'link.bff: DSB_PRESENT the package ends in another Digital Signature Block\nhint: remove the block with `sign detach-dsb`, or attach with --replace\n' })
  t.match(await sign(['verify', '--dsblkchk', path]), { status: 1, stdout: 'PkgG.1.0.0.0.bff: not valid SIGNATURE_WRONG ' })
  t.equal((await attach('--replace')).status, 0)
  t.equal((await sign(['verify', '--dsblkchk', path])).status, 0)
  t.equal((await sign(['detach-dsb', '--in-place', path])).status, 0)
  t.ok(readFileSync(path).equals(original))
  t.match(await sign(['verify', '--dsblkchk', path]), { status: 2, stdout: 'PkgG.1.0.0.0.bff: not valid NO_SIGNATURE ' })
  t.match(await sign(['detach-dsb', '--in-place', path]), { status: 1, stderr: `${path}: DSB_MISSING the package has no Digital Signature Block\n` })
})

void t.test('a path that server and client share is attached to as well, a directory into another one', async (t) => {
  const shared = join(server.root, 'shared')
  mkdirSync(shared)
  const path = putPackage(shared, 'PkgH')
  writeFileSync(join(shared, '.toc'), '0 11242026 2\n')
  const out = folder('shared-out')
  const { status, stderr } = await sign(['--attach', '--detach', '--output-dir', out, shared])
  t.equal(status, 0, stderr)
  t.strictSame(readdirSync(out), ['PkgH.1.0.0.0.bff', 'PkgH.1.0.0.0.bff.sig'])
  t.ok(readFileSync(join(out, 'PkgH.1.0.0.0.bff')).subarray(0, -1024).equals(readFileSync(path)))
  t.equal((await sign(['--attach', '--in-place', path])).status, 0)
  t.match(await sign(['verify', path]), { status: 0, stdout: 'PkgH.1.0.0.0.bff: valid, key 1001, signed ' })
  writeFileSync(join(out, 'PkgH.1.0.0.0.bff.sig'), 'mine')
  t.match(await sign(['--detach', '--output-dir', out, shared, '--output', 'ndjson']), { status: 1, stderr: 'PkgH.1.0.0.0.bff: FILE_EXISTS ', stdout: '{"event":"end","signed":0,"failed":1,"skipped":1}' })
})

void t.test('an interim fix gets a detached signature and no block', async (t) => {
  const here = folder('fix')
  writeFileSync(join(here, 'IJ1.epkg.Z'), Buffer.from('1f9d90000102', 'hex'))
  const { status, stdout } = await sign(['--upload', '--detach', 'IJ1.epkg.Z'], { cwd: here })
  t.equal(status, 0)
  t.match(stdout, /\n\nIJ1\.epkg\.Z: \{"keyid": "1001", "sha256": "[0-9a-f]{64}", "signature": "/)
  t.match(await sign(['verify', '--offline', '--key', server.publicKeyPath, '--signature', 'IJ1.epkg.Z.sig', 'IJ1.epkg.Z'], { cwd: here }), { status: 0, stdout: 'IJ1.epkg.Z: valid\n' })
  t.match(await sign(['--upload', '--attach', 'IJ1.epkg.Z'], { cwd: here }), { status: 1, stderr: 'IJ1.epkg.Z: FORM_NOT_AVAILABLE only an installp package can end in a Digital Signature Block\n' })
  t.notOk(existsSync(join(here, 'IJ1.epkg.Z.signed')))
})

void t.test('a signature in any form is verified over a path, an upload, a digest, and offline', async (t) => {
  const here = folder('forms')
  const path = putPackage(here, 'PkgI')
  const other = putPackage(here, 'PkgJ')
  const shared = join(server.root, 'PkgI.bff')
  copyFileSync(path, shared)
  const { stdout } = await sign(['--upload', '--output', 'json', path])
  const { id } = Object.values((JSON.parse(stdout) as { signatures: Record<string, Signature> }).signatures)[0]!
  for (const form of ['record', 'sig', 'dsb', 'dsc']) {
    const file = join(here, `signature.${form}`)
    t.equal((await sign(['export', id, '--form', form, '--output', file])).status, 0)
    const given = ['--signature', file]
    t.match(await sign(['verify', ...given, shared]), { status: 0, stdout: 'PkgI.bff: valid, key 1001, signed ' }, `${form} by path`)
    t.match(await sign(['verify', '--upload', ...given, path]), { status: 0, stdout: `${path}: valid, key 1001, signed ` }, `${form} by upload`)
    t.match(await sign(['verify', '--digest', ...given, path]), { status: 0, stdout: `${path}: valid, key 1001, signed ` }, `${form} by digest`)
    t.match(await sign(['verify', '--offline', '--key', server.publicKeyPath, ...given, path]), { status: 0, stdout: `${path}: valid` }, `${form} offline`)
    const wrong = form === 'record' || form === 'dsc' ? 'RECORD_MISMATCH' : 'DIGEST_DIFFERS'
    for (const how of [['--upload'], ['--digest'], ['--offline', '--key', server.publicKeyPath]]) {
      t.match(await sign(['verify', ...how, ...given, other]), { status: 1, stdout: new RegExp(`^.*PkgJ.1.0.0.0.bff: not valid ${form === 'record' || form === 'dsc' ? `(?:${wrong}|DIGEST_DIFFERS)` : wrong} `) }, `${form} ${how[0]}`)
    }
  }
  t.match(await sign(['verify', '--upload', '--output', 'json', path, other]), { status: 1 })
})

void t.test('public key and certificate of a key are exported, and a form there is not is named', async (t) => {
  const pem = await sign(['keys', '1001', '--form', 'public.pem'])
  t.strictSame([pem.status, pem.stdout], [0, readFileSync(server.publicKeyPath, 'utf8')])
  t.match(await sign(['keys', '1001', '--form', 'certificate.pem']), { status: 4, stderr: 'sign: FORM_NOT_AVAILABLE ' })
  t.match(await sign(['keys', '1001', '--form', 'private.pem']), { status: 2, stderr: "sign: --form: expected one of public.pem, certificate.pem, got 'private.pem'\n" })
})

void t.test('a block with an RSA-3072 signature is attached with a warning', async (t) => {
  const here = folder('rsa-3072')
  const path = putPackage(here, 'PkgK')
  const { status, stderr } = await sign(['--upload', '--attach', '--keyid', '3072', path], { who: 'auditor' })
  t.equal(status, 0, stderr)
  t.match(stderr, 'warning: DSB_WITHOUT_PRECEDENT ')
  t.equal(statSync(`${path}.signed`).size - statSync(path).size, 1280)
  t.match(await sign(['verify', '--dsblkchk', `${path}.signed`], { who: 'auditor' }), { status: 0 })
})

void t.test('an upload shows its progress by bytes, and Ctrl-C ends it', async (t) => {
  const here = folder('large')
  const path = putLargePackage(here, count(64, 512) * 1024 * 1024)
  const live = await signWith([...flags('release-bot'), '--upload', path], { columns: 100 })
  t.equal(live.status, 0, live.stderr)
  t.match(live.stderr, /MiB of \d+\.\d MiB {2}\d/)
  const stop = new AbortController()
  setTimeout(() => abort(stop, 'interrupted'), 30)
  t.match(await signWith([...flags('release-bot'), '--upload', path], { stop }), { status: 130, stderr: 'sign: interrupted\n' })
})

void t.test('the SDK sends a large file in flat memory', async (t) => {
  const path = putLargePackage(folder('flat'), count(200, 500) * 1024 * 1024, 'PkgFlat')
  await using client = createClient({ baseUrl: server.url, ca: clients['release-bot'].ca, cert: clients['release-bot'].cert, key: clients['release-bot'].key })
  let peak = 0
  const before = process.memoryUsage.rss()
  const { signatures } = await client.signUpload({ file: path }, { onProgress: () => (peak = Math.max(peak, process.memoryUsage.rss() - before)) })
  t.equal(Object.values(signatures)[0]?.sizeBytes, statSync(path).size)
  t.ok(peak < 128 * 1024 * 1024, `${Math.round(peak / 1024 / 1024)} MiB more`)
})
