import { execFile, execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { verifySignature } from '../../formats/index.ts'
import type { Signature } from '../../sdk/index.ts'
import { runCommand } from '../../server/command.ts'
import { flagsFor, MAIN, sign as signHere, type Said } from '../cli/harness.ts'
import { FULL, needsFull } from '../helpers/full-size.ts'
import { putPackage } from '../helpers/packages.ts'
import { makePlace, TRUSTED_BOT, type Place } from '../helpers/place.ts'
import { runServer } from '../helpers/server.ts'

const SERVER = fileURLToPath(new URL('../../server/main.ts', import.meta.url))

/** Runs a program as a person does. */
async function child(main: string, args: readonly string[], cwd: string): Promise<Said> {
  const { NODE_OPTIONS: _options, INIT_CWD: _from, ...env } = process.env
  const ran = await promisify(execFile)(process.execPath, [main, ...args], { cwd, env }).then((said) => ({ ...said, code: 0 }), (error: unknown) => error as { stdout: string; stderr: string; code: number })
  return { status: ran.code, stdout: ran.stdout, stderr: ran.stderr }
}

/** The two commands of a place. In a quick run they run inside the test: a process for each of some twenty costs ten seconds. */
function commandsOf({ folder }: Place) {
  return {
    keys: async (...args: readonly string[]): Promise<Said> => {
      if (FULL) return await child(SERVER, ['keys', ...args], folder)
      let [stdout, stderr] = ['', '']
      const status = await runCommand(['keys', ...args], { cwd: folder, print: (text) => void (stdout += text), complain: (text) => void (stderr += text) })
      return { status, stdout, stderr }
    },
    signWith: (flags: readonly string[]) => async (...args: readonly string[]): Promise<Said> => (FULL ? await child(MAIN, [...args, ...flags], folder) : await signHere([...args, ...flags], { cwd: folder })),
  }
}

/** Starts the server with the configuration as it is, and returns `sign` against it. */
async function started(t: Test, place: Place, config: string) {
  const server = runServer(t, ['start', '--config', config])
  const [line] = await server.logged(({ msg, listener }) => msg === 'listening' && listener === 'service', { limitMs: 20_000 })
  await server.logged(({ msg, listener }) => msg === 'listening' && listener === 'admin')
  return {
    sign: commandsOf(place).signWith(await flagsFor({ port: line?.['port'] as number })),
    stop: async () => {
      server.process.kill('SIGTERM')
      t.equal((await server.exited).code, 0)
    },
  }
}

const signaturesIn = (stdout: string): readonly Signature[] => Object.values((JSON.parse(stdout) as { signatures: Record<string, Signature> }).signatures)

t.setTimeout(180_000)

void t.test('a key gives way to another: in the overlap both sign, then the successor alone, and what the first signed stays valid', { skip: needsFull, timeout: 180_000 }, async (t) => {
  const place = await makePlace(t)
  const config = place.configure({ clients: [TRUSTED_BOT] })
  const path = putPackage(place.root)
  const { keys } = commandsOf(place)

  t.match(await keys('rotate', '1001', '--to', '1002', '--overlap-days', '30', '--config', config), { status: 0, stderr: /install the public key of 1002/ })
  const overlap = await started(t, place, config)
  const said = await overlap.sign(path, '--output', 'json')
  t.equal(said.status, 0)
  const [signature] = signaturesIn(said.stdout)
  t.strictSame([signature?.keyid, signature?.also?.map(({ keyid }) => keyid)], ['1001', ['1002']])
  const publicKeys = { '1001': place.publicKey, '1002': createPublicKey(readFileSync(join(place.folder, '1002.public.pem'))) }
  for (const [keyid, one] of [['1001', signature], ['1002', signature?.also?.[0] as Signature]] as const) {
    t.ok(verifySignature({ publicKey: publicKeys[keyid], sha256: Buffer.from(one?.sha256 ?? '', 'hex'), signature: Buffer.from(one?.signature ?? '', 'base64') }), keyid)
  }
  t.match(await overlap.sign('--keyid', '1002', path), { status: 0, stdout: /"keyid": "1002".*\n.*"keyid": "1001"/, stderr: /KEY_RETIRING key 1001 is being retired; its successor is 1002/ })
  t.equal((await overlap.sign('keys', '1002', '--form', 'public.pem')).stdout, readFileSync(join(place.folder, '1002.public.pem'), 'utf8'), 'what is installed is what the server has')
  await overlap.stop()

  writeFileSync(config, readFileSync(config, 'utf8').replace('state: retiring', 'state: retired'))
  const after = await started(t, place, config)
  t.match(await after.sign(putPackage(place.root, 'PkgB')), { status: 0, stdout: /^.*\n\n.*"keyid": "1002".*\n$/ })
  t.match(await after.sign('--keyid', '1001', path), { status: 4, stderr: /KEY_RETIRED key 1001 is retired; its successor is 1002/ })
  writeFileSync(join(place.folder, 'first.sig'), Buffer.from(signature?.signature ?? '', 'base64'))
  t.match(await after.sign('verify', path, '--signature', join(place.folder, 'first.sig'), '--form', 'sig'), { status: 0, stdout: /1001/ })
  await after.stop()
})

void t.test('the drill of docs/compromise.md: what a stolen key signed is found, revoked and signed again, and nothing it signed is valid any more', { skip: needsFull, timeout: 180_000 }, async (t) => {
  const place = await makePlace(t)
  const config = place.configure({ clients: [TRUSTED_BOT] })
  const { keys, signWith } = commandsOf(place)
  const offline = signWith([])
  const paths = ['PkgA', 'PkgB', 'PkgC'].map((name) => putPackage(place.root, name)) as [string, string, string]
  const before = await started(t, place, config)
  t.equal((await before.sign('--keyid', '1001', place.root)).status, 0)

  // What was signed.
  t.match(await before.sign('report', '--keyid', '1001', '--out', 'report.ndjson'), { status: 0, stdout: /report: 3 signatures of key 1001/ })
  writeFileSync(join(place.folder, 'log.pub'), (await before.sign('log', 'key')).stdout)
  t.match(await offline('log', 'verify', '--log-key', 'log.pub', 'report.ndjson'), { status: 0, stderr: /proven 3 of 3/ }, 'the report is complete and true')
  const [{ id } = { id: '' }] = readFileSync(join(place.folder, 'report.ndjson'), 'utf8').trimEnd().split('\n').slice(0, 1).map((line) => (JSON.parse(line) as { signature: Signature }).signature)
  await before.stop()

  // Revoke, and make another key.
  t.match(await keys('revoke', '1001', '--reason', 'key compromise: backup disk stolen', '--config', config), { status: 0, stderr: /sign resign/ })
  writeFileSync(join(place.folder, '1002.passphrase'), 'correct horse battery staple\n', { mode: 0o600 })
  t.match(await keys('generate', '1002', '--passphrase-file', '1002.passphrase', '--config', config), { status: 0 })
  t.equal(statSync(join(place.folder, '1002.pem')).mode & 0o777, 0o600)
  writeFileSync(config, readFileSync(config, 'utf8').replace(/(clients:[^]*keys:\n\s+)- "1001"/, '$1- "1001"\n      - "1002"'))
  const { sign, stop } = await started(t, place, config)
  t.match(await sign('--keyid', '1001', paths[0]), { status: 4, stderr: /KEY_REVOKED key 1001 is revoked/ })
  t.match(await sign('verify', paths[0]), { status: 1, stdout: /KEY_REVOKED/ })
  t.match(await sign('signatures', '--keyid', '1001'), { status: 0, stdout: /^(?:.* {2}key 1001 \(revoked\) {2}.*\n){3}$/ })
  t.match(JSON.parse((await sign('keys', '1001', '--output', 'json')).stdout), { state: 'revoked', revocationReason: 'key compromise: backup disk stolen', revokedAt: String })
  t.match(await sign('export', id, '--form', 'dsb'), { status: 4, stderr: /KEY_REVOKED/ })

  // Sign again; what is not there is said, and the next run has only that to do.
  renameSync(paths[1], `${paths[1]}.away`)
  t.match(await sign('resign', '--from', 'report.ndjson', '--keyid', '1002', '--rate', '6000'), { status: 1, stderr: /PkgB\.1\.0\.0\.0\.bff: CONTENT_UNAVAILABLE [^]*signed 2 of 3 files, failed 1/ })
  renameSync(`${paths[1]}.away`, paths[1])
  const again = await sign('resign', '--from', 'report.ndjson', '--keyid', '1002', '--rate', '6000', '--output', 'json')
  t.equal(again.status, 0)
  t.strictSame(signaturesIn(again.stdout).map(({ keyid, replayed }) => [keyid, replayed].join()).sort(), ['1002,false', '1002,true', '1002,true'])

  // Distribute, verify.
  for (const path of paths) t.match(await sign('verify', path), { status: 0, stdout: /valid[^]*1002/ })
  const [{ signature, filename } = { signature: '', filename: '' }] = signaturesIn(again.stdout)
  writeFileSync(join(place.folder, 'new.sig'), Buffer.from(signature, 'base64'))
  t.match(execFileSync('openssl', ['dgst', '-sha256', '-verify', join(place.folder, '1002.public.pem'), '-signature', join(place.folder, 'new.sig'), join(place.root, filename)], { encoding: 'utf8' }), 'Verified OK')
  t.match(await sign('log', 'audit', '--log-key', 'log.pub'), { status: 0 }, 'and history is what it was')
  await stop()
})
