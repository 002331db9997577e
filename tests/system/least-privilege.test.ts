import { execFile } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { clientOf, problemIn } from '../helpers/client.ts'
import { isProgram } from '../helpers/daemon.ts'
import { fakeCommand, fakeRuns } from '../helpers/fake-command.ts'
import { putPackage } from '../helpers/packages.ts'
import { makePlace } from '../helpers/place.ts'
import { runServer, startServer } from '../helpers/server.ts'
import { needsFull } from '../helpers/full-size.ts'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const UNIT = join(PROJECT, 'examples/systemd/signing-server.service')
const ANALYZE = '/usr/bin/systemd-analyze'

/** What somebody would see who looks for traces in a folder: every name, with its content's and its own times. */
function tracesIn(folder: string): readonly unknown[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).concat('.').sort().map((name) => {
    const { ino, mode, uid, size, mtimeMs, ctimeMs } = lstatSync(join(folder, name))
    return [name, ino, mode, uid, size, mtimeMs, ctimeMs]
  })
}

const place = await makePlace(t)

void t.test('the server leaves no trace where it reads, whatever is asked of it', { skip: needsFull }, async (t) => {
  const server = await startServer(t, { place })
  const path = putPackage(server.root)
  const before = tracesIn(server.root)
  const client = await clientOf(t, server.url)
  const { signatures } = await client.sign({ path: server.root })
  t.equal(Object.keys(signatures).length, 1)
  await client.signUpload('PkgB.1.0.0.0.bff', readFileSync(putPackage(server.folder, 'PkgB')))
  await client.verify({ path })
  await client.ask(`/files?${new URLSearchParams({ path: server.root }).toString()}`)
  await server.stop()
  t.strictSame(tracesIn(server.root), before)
})

void t.test('the wrapped command has the environment of the configuration, and of the server PATH, LANG and ODMDIR alone', async (t) => {
  const environment = { LANG: 'C', ODMDIR: '/etc/objrepos', HOME: '/root', SECRET: 'of the server', NODE_OPTIONS: '--no-warnings', LD_LIBRARY_PATH: '/nowhere', SIGN_KEY: 'x' }
  const server = await startServer(t, { config: fakeCommand(), environment })
  putPackage(server.root)
  const { signatures } = await (await clientOf(t, server.url)).sign({ path: server.root })
  t.equal(Object.keys(signatures).length, 1)
  const [run] = fakeRuns(server)
  // FAKE_… are of the configuration; PWD is of the shell that calls the fake.
  const names = Object.keys(run?.env ?? {}).filter((name) => !name.startsWith('FAKE_') && name !== 'PWD').sort()
  t.strictSame(names, ['LANG', 'ODMDIR', 'PATH'])
})

void t.test('the server runs under the permission model of Node, and cannot be configured past it', { skip: needsFull }, async (t) => {
  // In a place where a server ran before: the first start makes the key of the log, and flushes it to disk, which that model forbids.
  const nodeOptions = ['--permission', `--allow-fs-read=${PROJECT}`, `--allow-fs-read=${place.folder}`, `--allow-fs-write=${place.folder}`, '--allow-worker', '--allow-net']
  const path = putPackage(place.root)

  await t.test('it signs what is named and what is sent, and says that it is ready', async (t) => {
    const server = await startServer(t, { place, nodeOptions, config: { uploadDir: '.' } })
    const client = await clientOf(t, server.url)
    t.ok((await client.sign({ path })).signatures['PkgA.1.0.0.0.bff'])
    t.equal((await client.upload({ filename: 'PkgB.1.0.0.0.bff' }, readFileSync(putPackage(place.folder, 'PkgB')))).status, 200)
    t.equal(problemIn(await client.ask('/verify', { method: 'POST', body: { path: '/etc/hostname' } })).code, 'PATH_OUTSIDE_ROOTS')
    t.equal((await (await fetch(`${server.adminUrl}/health/ready`)).json() as { status: string }).status, 'ready')
    t.equal((await server.stop()).code, 0)
  })

  await t.test('a root, a key or a program outside of what is allowed is no root, no key, no program', async (t) => {
    const elsewhere = await makePlace(t)
    const rows = [
      [{ roots: [{ name: 'nim', path: elsewhere.root }] }, /roots\[0\]\.path: .*ERR_ACCESS_DENIED/],
      [{ keys: [{ keyid: '1001', kind: 'file', path: elsewhere.privateKeyPath }] }, /keys\[0\]\.path: .*ERR_ACCESS_DENIED/],
      [{ keys: [{ keyid: '1001', kind: 'command', publicKey: '1001.pub.pem', covers: 'file' }], signer: { kind: 'command', command: ['/bin/true'] } }, /allow-child-process/],
    ] as const
    for (const [members, complaint] of rows) {
      const server = runServer(t, ['start', '--config', place.configure(members)], { nodeOptions })
      t.match(await server.exited, { code: 1 })
      t.match(server.complaints(), complaint)
    }
  })
})

void t.test('the unit for systemd', async (t) => {
  const unit = readFileSync(UNIT, 'utf8')
  const lines = new Set(unit.split('\n').filter((line) => !line.startsWith('#')))

  await t.test('is accepted by systemd-analyze', { skip: isProgram(ANALYZE) ? false : 'skipped: systemd is not installed' }, async (t) => {
    const { stdout } = await promisify(execFile)(ANALYZE, ['security', '--no-pager', '--offline=true', '--threshold=40', UNIT])
    t.match(stdout, /Overall exposure level for signing-server\.service: \d\.\d OK/)
  })
  await t.test('leaves no core dump, gains no privilege, writes nothing but its state, and reloads', async (t) => {
    for (const line of ['LimitCORE=0', 'NoNewPrivileges=true', 'ProtectSystem=strict', 'StateDirectory=signing-server', 'CapabilityBoundingSet=', 'ExecReload=/bin/kill -HUP $MAINPID', 'User=signing-server']) t.ok(lines.has(line), line)
    t.notMatch(unit, /^ReadWritePaths=/m)
    t.notMatch(unit, /^MemoryDenyWriteExecute=/m, 'V8 would not start')
  })
})
