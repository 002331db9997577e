import { writeFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import { formatDsb } from '../../formats/index.ts'
import type { Verification } from '../../sdk/index.ts'
import { answerJson, answerProblem, problem } from '../sdk/scripted-server.ts'
import { abort, sign } from './harness.ts'
import { against, BLOCK, KEY_PATH, PACKAGE, packageFolder, pair, RAW, RECORD, SHA256 } from './package-folder.ts'

const VALID: Verification = { valid: true, keyid: '1001', signedAt: '2026-11-24T09:15:00.000Z' }

void t.test('inspect says what files are, as blocks, as JSON and line by line, and needs no server', async (t) => {
  const here = packageFolder(t)
  const given = { cwd: here }
  const size = `sizeBytes: ${PACKAGE.length}\nsha256: ${SHA256}\n`
  const block = (name: string, dsb: string) => `name: ${name}\nformat: installp\npackage: PkgA\nftype: I\nfilesets: PkgA.rte 1.0.0.0\nbuiltAt: 2013-08-02T06:37:55.000Z\n${size}dsb: ${dsb}\n`
  const dsb = { sizeBytes: 1024, signatureRegionBytes: 256, keyForm: 'LOC', keyPath: KEY_PATH }
  t.strictSame(await sign(['inspect', 'PkgA.bff', 'signed.bff'], given), { status: 0, stdout: `${block('PkgA.bff', 'none')}\n${block('signed.bff', `sizeBytes 1024, signatureRegionBytes 256, keyForm LOC, keyPath ${KEY_PATH}`)}`, stderr: '' })
  t.match(await sign(['inspect', 'broken.bff', 'folder/*'], given), { status: 1, stdout: 'name: folder/b.txt\nformat: other\nsizeBytes: 1\n', stderr: 'broken.bff: PACKAGE_MALFORMED the file starts like an installp package but is none: ' })
  const { files } = JSON.parse((await sign(['inspect', '--output', 'json', '*.bff'], given)).stdout) as { files: object[] }
  t.match(files, [{ name: 'PkgA.bff', dsb: null, filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }] }, { name: 'signed.bff', sha256: SHA256, dsb }])
  const lines = (await sign(['inspect', '--output', 'ndjson', 'signed.bff', 'record'], given)).stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as object)
  t.match(lines, [{ name: 'signed.bff', dsb }, { name: 'record', format: 'other' }])
  const pem = Buffer.from(pair.publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(here, 'pem.bff'), Buffer.concat([PACKAGE, formatDsb({ signature: RAW, key: { form: 'PEM', bytes: pem } }, { allowEmbeddedKey: true })]))
  t.match((await sign(['inspect', 'pem.bff'], given)).stdout, `dsb: sizeBytes 1280, signatureRegionBytes 256, keyForm PEM, keyBytes ${pem.length}\n`)
  const stop = new AbortController()
  abort(stop, 'interrupted')
  t.match(await sign(['inspect', 'PkgA.bff'], { ...given, stop }), { status: 130, stderr: 'sign: interrupted\n' })
  await t.rejects(sign(['inspect', 'PkgA.bff'], { ...given, stdout: brokenStream() }), new Error('no output'), 'a fault of sign itself is not dressed up')
})

function brokenStream(): Writable {
  const stream = new Writable()
  stream.write = () => {
    throw new Error('no output')
  }
  return stream
}

void t.test('a block is detached into a new file or in place', async (t) => {
  const here = packageFolder(t)
  t.strictSame(await sign(['detach-dsb', '--output', 'bare.bff', 'signed.bff'], { cwd: here }), { status: 0, stdout: '', stderr: `detached a block of 1024 bytes: ${here}/bare.bff\n` })
  t.ok(readFileSync(join(here, 'bare.bff')).equals(PACKAGE))
  t.strictSame(await sign(['detach-dsb', '--in-place', '--quiet', 'signed.bff'], { cwd: here }), { status: 0, stdout: '', stderr: '' })
  t.ok(readFileSync(join(here, 'signed.bff')).equals(PACKAGE))
  t.match(await sign(['detach-dsb', '--in-place', 'signed.bff'], { cwd: here, env: { SIGN_OUTPUT: 'signature-file' } }), { status: 1, stderr: 'signed.bff: DSB_MISSING the package has no Digital Signature Block\nhint: name a package that ends in a Digital Signature Block.\n' })
})

void t.test('offline, a signature is verified with nothing but a public key, and the statuses of dsblkchk are those of AIX', async (t) => {
  const here = packageFolder(t)
  writeFileSync(join(here, 'wrong.bff'), Buffer.concat([PACKAGE, formatDsb({ signature: Buffer.alloc(256, 7), key: { form: 'LOC', path: KEY_PATH } })]))
  writeFileSync(join(here, 'malformed.bff'), Buffer.concat([PACKAGE, Buffer.from('INUTUEYE')]))
  const offline = async (...args: string[]) => await sign(['verify', '--offline', '--key', 'public.pem', ...args], { cwd: here, home: '/nonexistent' })
  t.strictSame(await offline('signed.bff'), { status: 0, stdout: 'signed.bff: valid\n', stderr: '' })
  t.strictSame(await offline('signed.bff', 'PkgA.bff', 'wrong.bff', 'none.bff'), { status: 1, stdout: 'signed.bff: valid\nPkgA.bff: not valid NO_SIGNATURE no signature was given or found\nwrong.bff: not valid SIGNATURE_WRONG no key verifies the signature over anything known\n', stderr: 'none.bff: FILE_UNREADABLE there is no such file\nhint: check the spelling of the name and whether you may read the file.\n' })
  t.strictSame(await offline('--signature', 'record', 'PkgA.bff'), { status: 0, stdout: 'PkgA.bff: valid, key 1001\n', stderr: '' })
  t.strictSame(await offline('--signature', 'sig', '--form', 'sig', 'broken.bff'), { status: 1, stdout: 'broken.bff: not valid DIGEST_DIFFERS the signature is over other bytes than these\n', stderr: '' })
  t.strictSame(await offline('--signature', 'folder/b.txt', 'PkgA.bff'), { status: 2, stdout: '', stderr: 'sign: folder/b.txt: its content does not tell what it is\nhint: say it with --form: record, sig, dsb or dsc\n' })
  t.match(await offline('--signature', 'none', 'PkgA.bff'), { status: 2, stderr: `sign: the signature ${here}/none cannot be read (ENOENT)\n` })
  t.match(await sign(['verify', '--offline', '--key', 'record', 'signed.bff'], { cwd: here }), { status: 2, stderr: `sign: the public key ${here}/record: the key cannot be read as PEM\nhint: Use the public key in PEM` })
  t.match(await sign(['verify', '--offline', '--key', 'none', 'signed.bff'], { cwd: here }), { status: 2, stderr: `sign: the public key ${here}/none cannot be read (ENOENT)\n` })
  const json = JSON.parse((await offline('--output', 'json', 'signed.bff', 'none.bff')).stdout) as object
  t.match(json, { verifications: { 'signed.bff': { valid: true } }, failures: { 'none.bff': { code: 'FILE_UNREADABLE' } } })
  t.equal((await offline('--output', 'ndjson', 'signed.bff', 'none.bff')).stdout.split('\n')[0], '{"name":"signed.bff","valid":true}')
  for (const [file, want] of [['signed.bff', 0], ['wrong.bff', 1], ['malformed.bff', 1], ['PkgA.bff', 2], ['record', 2], ['none.bff', 64], ['folder', 64]] as const) t.equal((await offline('--dsblkchk', file)).status, want, file)
  t.equal((await sign(['verify', '--offline', '--dsblkchk', '--key', 'none', 'signed.bff'], { cwd: here })).status, 64)
})

void t.test('verify asks the server about a path, an upload, or a digest with its block', async (t) => {
  const here = packageFolder(t)
  let answer: object = { ...VALID, client: 'release-bot' }
  const { server, flags } = await against(t, (response) => answerJson(response, answer))
  const verify = async (...args: string[]) => await sign(['verify', ...flags, '--quiet', ...args], { cwd: here })
  const body = () => JSON.parse(server.seen.at(-1)!.body) as object
  t.strictSame(await verify('PkgA.bff'), { status: 0, stdout: 'PkgA.bff: valid, key 1001, signed 2026-11-24T09:15:00.000Z for release-bot\n', stderr: '' })
  t.strictSame(body(), { path: `${here}/PkgA.bff` })
  t.strictSame(JSON.parse((await verify('--output', 'json', '--signature', 'sig', '/x/PkgA.bff')).stdout), answer, 'the document of the API')
  t.strictSame(body(), { path: '/x/PkgA.bff', signature: { form: 'sig', value: RAW.toString('base64') } })
  await verify('--digest', 'PkgA.bff')
  t.strictSame(body(), { digest: { sha256: SHA256 } })
  await verify('--digest', 'signed.bff')
  t.strictSame(body(), { digest: { sha256: SHA256 }, signature: { form: 'dsb', value: BLOCK.toString('base64') } })
  await verify('--upload', '--signature', 'record', 'PkgA.bff')
  t.match(server.seen.at(-1)?.url, `/verify?filename=PkgA.bff&form=record&value=${encodeURIComponent(RECORD)}`)

  const records = [{ keyid: '1001', package: 'PkgB', timestamp: '1', fileset: 'PkgB.rte', ftype: 'I', vrmf: '1.0.0.0', signature: 'QUJD' }]
  answer = { ...VALID, records }
  t.strictSame(await verify('--digest', '--signature', 'record', 'PkgA.bff'), { status: 1, stdout: 'PkgA.bff: not valid RECORD_MISMATCH the record is of another package, fileset or level, key 1001\n', stderr: '' })
  answer = { ...VALID, warnings: [{ code: 'KEY_RETIRED', detail: 'key 1001 is retired' }] }
  t.match(await verify('PkgA.bff'), { status: 0, stdout: 'PkgA.bff: valid', stderr: 'warning: KEY_RETIRED key 1001 is retired\n' })
  answer = { valid: false, reason: 'A_LATER_REASON' }
  t.strictSame(await verify('/x/\u001b'), { status: 1, stdout: '\\u001b: not valid A_LATER_REASON the signature is not valid\n', stderr: '' })
  writeFileSync(join(here, 'stacked.bff'), Buffer.concat([PACKAGE, BLOCK, BLOCK]))
  const before = server.seen.length
  t.match(await verify('--digest', 'stacked.bff', 'none'), { status: 1, stdout: 'stacked.bff: not valid DSB_STACKED ', stderr: 'none: FILE_UNREADABLE ' })
  t.match(await verify('--dsblkchk', 'PkgA.bff'), { status: 2, stdout: 'PkgA.bff: not valid NO_SIGNATURE ' })
  t.equal(server.seen.length, before, 'what can be said here is not asked')
})

void t.test('a refusal about the file is 1, about the request 4, and for dsblkchk there is no answer', async (t) => {
  const here = packageFolder(t)
  let code = 'PATH_OUTSIDE_ROOTS'
  const { flags } = await against(t, (response) => answerProblem(response, problem(code, 403, false)))
  const verify = async (...args: string[]) => await sign(['verify', ...flags, ...args], { cwd: here })
  t.match(await verify('PkgA.bff'), { status: 4, stderr: 'sign: PATH_OUTSIDE_ROOTS ' })
  t.equal((await verify('--dsblkchk', 'signed.bff')).status, 69)
  code = 'FILE_TOO_LARGE'
  t.match(await verify('--output', 'ndjson', 'PkgA.bff'), { status: 1, stderr: 'PkgA.bff: FILE_TOO_LARGE ', stdout: '{"name":"PkgA.bff","problem":{"type"' })
  t.equal((await verify('--dsblkchk', 'signed.bff')).status, 69)
  t.equal((await sign(['verify', '--dsblkchk', '--port', '1', ...flags.slice(2), 'signed.bff'], { cwd: here })).status, 69)
  t.equal((await sign(['verify', '--dsblkchk', 'signed.bff'], { cwd: here })).status, 64, 'no credentials')
  const stop = new AbortController()
  abort(stop, 'interrupted')
  t.equal((await sign(['verify', '--dsblkchk', ...flags, 'signed.bff'], { cwd: here, stop })).status, 130)
  const authority = flags[flags.indexOf('--ca') + 1]!
  t.equal((await sign(['verify', '--dsblkchk', ...flags, '--cert', authority, 'signed.bff'], { cwd: here })).status, 64, 'credentials that do not fit')
})

