import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { ERROR_CODES } from '../../server/errors.ts'
import { clientOf } from '../helpers/client.ts'
import { putPackage } from '../helpers/packages.ts'
import { testPki } from '../helpers/pki.ts'
import { NOBODY, nobodyCannotReach } from '../helpers/refusals.ts'
import { runServer, startServer, type TestServer } from '../helpers/server.ts'

// Walks docs/from-the-original.md: runs the server and the client through everything the page speaks of, then looks for every text
// that the page says is shown.

const PAGE = readFileSync('docs/from-the-original.md', 'utf8')
const CLI = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const FAKE = fileURLToPath(new URL('../fakes/create_pkgsign', import.meta.url))

const UNREACHABLE = nobodyCannotReach('server/main.ts')

/** Where a text is shown: the server's log, its own words, the sign command, or the code of a problem. */
type Shown = Readonly<{ kind: 'log' | 'server' | 'sign' | 'code'; text: string; row: string }>

function shownBy(): readonly Shown[] {
  const rows = PAGE.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| original') && !/^\| \d\./.test(line))
  return rows.flatMap((row) => {
    const cell = row.split(/(?<!\\) \| /).at(-1) ?? ''
    return [...cell.matchAll(/(log|server|sign|code) `([^`]+)`/g)].map(([, kind, found]) => ({ kind: kind as Shown['kind'], text: found as string, row }))
  })
}

/** Everything that was seen of a kind while the page was walked. */
const seen: Record<Shown['kind'], string[]> = { log: [], server: [], sign: [], code: [] }

type Call = Readonly<{ home: string; port: number; cwd: string }>

async function sign(t: Test, args: readonly string[], { home, port, cwd }: Call): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...args], { cwd, env: { PATH: process.env['PATH'] ?? '', HOME: home, SIGN_PORT: String(port) }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  seen.sign.push(stdout, stderr)
}

async function homeOf(folder: string, name: string): Promise<string> {
  const home = join(folder, 'homes', name)
  const { clients } = await testPki()
  cpSync(clients['release-bot'].folder, join(home, '.ssh', 'signing-server'), { recursive: true })
  return home
}

async function asks(t: Test, server: TestServer, bodies: readonly object[]): Promise<void> {
  const client = await clientOf(t, server.url)
  for (const body of bodies) {
    const answer = JSON.parse((await client.ask('/sign', { method: 'POST', body })).text) as { code?: string; failures?: Record<string, { code: string }> }
    seen.code.push(...(answer.code === undefined ? [] : [answer.code]), ...Object.values(answer.failures ?? {}).map(({ code }) => code))
  }
}

async function walkServer(t: Test): Promise<void> {
  // To root every file is readable, so there the server runs as somebody else.
  const server = await startServer(t, process.getuid?.() === 0 && UNREACHABLE === false ? { uid: NOBODY } : {})
  putPackage(server.root, 'PkgA')
  writeFileSync(join(server.root, '.toc'), '0 010203042026 2\nPkgA.1.0.0.0.bff 4 R I PkgA {\n')
  mkdirSync(join(server.root, 'closed'))
  chmodSync(join(server.root, 'closed'), 0o000)
  const home = await homeOf(server.folder, 'good')
  const call = { home, port: server.port, cwd: server.root }
  await sign(t, [], call)
  await sign(t, ['PkgA.1.0.0.0.bff'], call)
  await sign(t, ['--output', 'signature-file'], call)
  await asks(t, server, [{ path: join(server.root, 'missing') }, { path: join(server.root, 'closed') }, {}])
  const { caPath } = await testPki()
  const stranger = spawn(process.execPath, ['-e', `require('node:tls').connect({port:${server.port},host:'localhost',ca:require('node:fs').readFileSync(${JSON.stringify(caPath)})}).on('error',()=>{}).on('close',()=>process.exit())`], { stdio: 'ignore' })
  await once(stranger, 'exit')
  await server.logged(({ msg }) => msg === 'refused connection')
  await server.stop()
  seen.log.push(...server.logs().map(({ msg }) => msg))
  seen.server.push(server.printed())
}

async function walkCommand(t: Test): Promise<void> {
  for (const fault of ['exit-1', 'silent']) {
    const server = await startServer(t, {
      config: ({ publicKeyPath, privateKeyPath }) => ({
        keys: [{ keyid: '1001', kind: 'command', publicKey: publicKeyPath, covers: 'file' }],
        signer: { kind: 'command', command: [FAKE, `--fault=${fault}`], passin: privateKeyPath, environment: { FAKE_KEY: privateKeyPath, FAKE_KEYID: '1001' } },
      }),
    })
    putPackage(server.root, 'PkgA')
    await asks(t, server, [{ path: server.root }])
    await server.stop()
    seen.log.push(...server.logs().map(({ msg }) => msg))
  }
}

async function walkFailures(t: Test): Promise<void> {
  const broken = await startServer(t)
  const taken = runServer(t, ['start', '--config', broken.configure({ listen: { host: '127.0.0.1', port: broken.port, browserPort: 0 } })])
  await taken.exited
  const missing = runServer(t, ['start', '--config', broken.configure({ tls: { cert: 'nowhere.pem', key: 'server.key', clientCa: 'ca.pem' } })])
  await missing.exited
  seen.server.push(taken.complaints(), missing.complaints())
}

async function walkClient(t: Test): Promise<void> {
  const server = await startServer(t)
  const call = (home: string, port = server.port) => ({ home, port, cwd: server.root })
  await sign(t, ['--help'], call(server.folder))
  await sign(t, [], call(join(server.folder, 'homes', 'nobody')))
  const open = await homeOf(server.folder, 'open')
  chmodSync(join(open, '.ssh', 'signing-server', 'client.key'), 0o644)
  await sign(t, [], call(open))
  const other = await homeOf(server.folder, 'other')
  const { server: own } = await testPki()
  // An authority that did not sign the server's certificate: any certificate that is none of ours.
  writeFileSync(join(other, '.ssh', 'signing-server', 'ca.pem'), own.cert)
  await sign(t, [], call(other))
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  listener.close()
  await once(listener, 'close')
  await sign(t, [], call(await homeOf(server.folder, 'late'), port))
}

void t.test('the page speaks of every step, and says of each what shows it', async (t) => {
  const shown = shownBy()
  t.ok(shown.length >= 40, `${shown.length} texts`)
  const codes = shown.filter(({ kind }) => kind === 'code').map((item) => item.text)
  t.strictSame(codes.filter((code) => !(ERROR_CODES as readonly string[]).includes(code)), [])
})

void t.test('everything that the page says is shown was seen when server and client were run', async (t) => {
  await Promise.all([walkServer(t), walkCommand(t), walkFailures(t), walkClient(t)])
  for (const { kind, text: wanted, row } of shownBy()) {
    if (wanted === 'PATH_UNREADABLE' && UNREACHABLE !== false) {
      t.comment(UNREACHABLE)
      continue
    }
    const exact = kind === 'log' || kind === 'code'
    t.ok(seen[kind].some((output) => (exact ? output === wanted : output.includes(wanted))), `${kind} «${wanted}»`, { row })
  }
})

void t.test('each of the nine known faults has a regression test of its name', async (t) => {
  const tests = readFileSync('tests/system/original-faults.test.ts', 'utf8')
  const faults = PAGE.split('\n').filter((line) => /^\| \d\./.test(line))
  t.equal(faults.length, 9)
  for (const fault of faults) {
    const name = /\| `{1,2} ?(original fault: .*?) ?`{1,2} \|$/.exec(fault)?.[1]
    t.ok(name !== undefined && tests.includes(`test('${name}`), fault)
  }
})
