import { spawnSync } from 'node:child_process'
import { closeSync, chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { CommandSignerConfig } from '../../../server/config/schema.ts'
import { openSigner } from '../../../server/signers/open.ts'
import { inRunFolder, removeStaleRunFolders, workFolderFault } from '../../../server/signers/run-folder.ts'
import { copier, openedKey, openSignable, rsaKeyPair } from '../../helpers/signables.ts'

const FAKE = fileURLToPath(new URL('../../fakes/create_pkgsign', import.meta.url))
const clock = () => new Date('2026-11-24T12:00:00Z')
const dependencies = { clock, copier, environment: process.env }
const pair = rsaKeyPair()

function commandConfig(dir: string, changes: Partial<CommandSignerConfig> = {}): CommandSignerConfig {
  writeFileSync(join(dir, 'key.pem'), pair.pem)
  return {
    kind: 'command', command: [FAKE], passin: join(dir, 'key.pem'), environment: { FAKE_KEY: join(dir, 'key.pem') },
    timeoutMs: 20_000, concurrency: 2, waiting: 4, outputBytes: 100_000, ...changes,
  }
}

/** The name of a folder as a process that has ended would have made it. */
async function nameOfDeadRun(dir: string): Promise<string> {
  const own = await inRunFolder(dir, async (folder) => basename(folder))
  const { pid } = spawnSync('/bin/true')
  return own.replace(`-${process.pid}-`, `-${pid}-`)
}

t.test('openSigner opens the signer that the configuration names', async (t) => {
  const dir = t.testdir({ work: {} })
  const signable = await openSignable(join(dir, 'PkgA.bff'))
  t.teardown(() => closeSync(signable.file.fd))

  const embedded = await openSigner({ kind: 'embedded', timestamp: { syntax: 'epoch', source: 'signing' } }, dependencies)
  t.equal(embedded.kind, 'embedded')
  const { records: [made] } = await embedded.sign(signable, openedKey('file', pair))
  t.equal(made?.timestamp, String(clock().getTime() / 1000))

  for (const changes of [{ workDir: join(dir, 'work') }, {}]) {
    const command = await openSigner(commandConfig(dir, changes), dependencies)
    t.teardown(() => command.close())
    t.equal(command.kind, 'command')
    await command.probe()
    const { records } = await command.sign(signable, openedKey('command', pair))
    t.strictSame(records.map((record) => record.fileset), ['PkgA.rte', 'PkgA.adt'])
    t.equal(records[0]?.signature, made?.signature, 'both signers make the same signature of the same file')
  }
  t.strictSame(readdirSync(tmpdir()).filter((name) => name.startsWith(`signing-server-run-`) && name.includes(`-${process.pid}-`)), [])
})

t.test('openSigner opens a command that is not there yet; its probe says so', async (t) => {
  const dir = t.testdir({ bin: {} })
  const command = await openSigner(commandConfig(dir, { command: ['create_pkgsign'], environment: { PATH: join(dir, 'bin') } }), dependencies)
  t.teardown(() => command.close())
  await t.rejects(command.probe(), { code: 'SIGNER_NOT_AVAILABLE' })
  symlinkSync(FAKE, join(dir, 'bin', 'create_pkgsign'))
  await command.probe()
})

t.test('openSigner fails, and leaves no process, when the helper does not start', async (t) => {
  const { execPath } = process
  t.teardown(() => { process.execPath = execPath })
  process.execPath = '/no/such/node'
  await t.rejects(openSigner(commandConfig(t.testdir({})), dependencies), { name: 'SigningError', code: 'SIGNER_FAILED', cause: { code: 'ENOENT' } })
  const dir = t.testdir({ node: '#!/bin/sh\necho "cannot start" >&2\nexit 5\n' })
  chmodSync(join(dir, 'node'), 0o755)
  process.execPath = join(dir, 'node')
  const want = { code: 'SIGNER_FAILED', cause: 'status 5, signal null', facts: { complaint: 'cannot start\n' } }
  await t.rejects(openSigner(commandConfig(dir), dependencies), want)
})

t.test('openSigner removes what runs of a crashed server left behind, and nothing else', async (t) => {
  const dir = t.testdir({ target: { file: 'kept' } })
  const workDir = join(dir, 'work')
  mkdirSync(workDir)
  const dead = await nameOfDeadRun(workDir)
  const reused = dead.replace(/-\d+-\d+-(\w+)$/, `-${process.pid}-1-$1`)
  const kept = [
    dead.replace(/-\d+-(\d+-\w+)$/, `-1-$1`),
    await inRunFolder(workDir, async (folder) => basename(folder)),
    dead.replace(/run-[0-9a-f]{8}/, 'run-00000000'),
    `${dead}x`,
    `x${dead}`,
    dead.replace(/-\d+-(\d+-\w+)$/, '-0-$1'),
    'something else',
  ]
  for (const name of [dead, reused, ...kept]) mkdirSync(join(workDir, name))
  writeFileSync(join(workDir, dead, 'PkgA.bff'), 'a copy')
  symlinkSync(join(dir, 'target'), join(workDir, dead, 'link'))
  const [link, file] = [dead.replace(/\w{6}$/, 'LINKED'), dead.replace(/\w{6}$/, 'AFILE1')]
  symlinkSync(join(dir, 'target'), join(workDir, link))
  writeFileSync(join(workDir, file), 'no folder')

  const command = await openSigner(commandConfig(dir, { workDir }), dependencies)
  t.teardown(() => command.close())
  t.strictSame(readdirSync(workDir).sort(), [...kept, link, file].sort(), 'process 1 runs, this process runs, the rest is not ours')
  t.ok(existsSync(join(dir, 'target', 'file')), 'no link was followed')
  t.strictSame(await removeStaleRunFolders(join(dir, 'no such folder')), [])
})

t.test('a run folder is removed whatever happens in it, and no room for one is a full disk', async (t) => {
  const dir = t.testdir({})
  const broken = new Error('broken')
  await t.rejects(inRunFolder(dir, async (folder) => {
    writeFileSync(join(folder, 'file'), '')
    throw broken
  }), broken)
  t.strictSame(readdirSync(dir), [])
  t.equal(await inRunFolder(dir, async () => 'answer'), 'answer')
  const faults = ['ENOSPC', 'EDQUOT', 'EACCES'].map((code) => workFolderFault(Object.assign(new Error(code), { code })).code)
  t.strictSame(faults, ['STORAGE_FULL', 'STORAGE_FULL', 'SIGNER_NOT_AVAILABLE'])
})
