import { spawn, type ChildProcess } from 'node:child_process'
import { verify } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setUpDevelopment, type Development } from '../server/development/set-up.ts'

// The main job from end to end, as a person would do it: a real server process, the real `sign` command, real mutual TLS. Everything
// lies in a temporary folder that is removed at the end.

const SERVER = fileURLToPath(new URL('../server/main.ts', import.meta.url))
const SIGN = fileURLToPath(new URL('../cli/main.ts', import.meta.url))

/** Runs the demo and resolves with its exit status: 0 when every package was signed and every signature verifies. */
async function runDemo(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'signing-server-demo-'))
  try {
    say('1. set up', `everything in ${folder}, which is removed at the end`)
    const development = await setUpDevelopment(folder, { certs: 'certs', var: '.', port: 0, browserPort: 0, adminPort: 0 })
    for (const note of development.notes) console.log(`  ${note}`)
    return await withServer(development, async (port) => await signAndVerify(development, port))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function withServer(development: Development, use: (port: number) => Promise<number>): Promise<number> {
  const server = spawn(process.execPath, [SERVER, 'start', '--config', development.config], { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    const port = await servicePort(server)
    say('2. start', `the server listens on https://localhost:${port} and demands a client certificate`)
    return await use(port)
  } finally {
    server.kill('SIGTERM')
    if (server.exitCode === null) await once(server, 'exit')
    say('5. stop', 'the server finished what was running and stopped')
  }
}

/** Reads the log of the server until it says on which port the service listens. */
async function servicePort(server: ChildProcess): Promise<number> {
  const lines: string[] = []
  for await (const line of createInterface({ input: server.stderr as NodeJS.ReadableStream })) {
    lines.push(line)
    const entry = JSON.parse(line.startsWith('{') ? line : '{}') as { msg?: string; listener?: string; port?: number }
    if (entry.msg === 'listening' && entry.listener === 'service' && entry.port !== undefined) {
      // The log goes on; read and dropped, so that the server never waits for a full pipe.
      server.stderr?.resume()
      return entry.port
    }
  }
  throw new Error(`the server did not start:\n${lines.join('\n')}`)
}

async function signAndVerify({ client, packages, publicKey }: Development, port: number): Promise<number> {
  const options = ['--host', 'localhost', '--port', String(port), '--cert', client.cert, '--key', client.key, '--ca', client.ca]
  say('3. sign', `sign --port ${port} ${packages}`)
  const text = await run([SIGN, ...options, packages], 'shown')
  const answer = JSON.parse(await run([SIGN, ...options, '--output', 'json', packages], 'kept')) as { signatures: Record<string, { records: { fileset: string; vrmf: string; signature: string }[] }> }

  say('4. verify', 'each signature over the whole package file, with the public key and node:crypto alone')
  const key = await readFile(publicKey)
  let wrong = 0
  for (const [name, { records }] of Object.entries(answer.signatures)) {
    const bytes = await readFile(join(packages, name))
    for (const { fileset, vrmf, signature } of records) {
      const printed = text.includes(signature)
      const valid = verify('sha256', bytes, key, Buffer.from(signature, 'base64'))
      if (!valid || !printed) wrong += 1
      console.log(`  ${name}  ${fileset} ${vrmf}  ${valid && printed ? 'verified' : 'WRONG'}`)
    }
  }
  return wrong === 0 && Object.keys(answer.signatures).length === 3 ? 0 : 1
}

/** Runs a script with this Node; resolves with what it printed to stdout. Its stderr is shown as it comes when `output` is `shown`. */
async function run(args: readonly string[], output: 'shown' | 'kept'): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', output === 'shown' ? 'inherit' : 'ignore'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (output === 'shown') process.stdout.write(chunk)
  })
  const [status] = (await once(child, 'close')) as [number]
  if (status !== 0) throw new Error(`sign ended with status ${status}`)
  return text
}

function say(step: string, what: string): void {
  console.log(`\n${step}: ${what}`)
}

const TRY_NEXT = `
Try next, in this folder:
  npm start                                       # a server with a development configuration; it prints how to call it
  npm run -s sign -- --help                       # the command line, with examples
  curl --cert certs/dev/clients/release-bot/client.pem --key certs/dev/clients/release-bot/client.key --cacert certs/dev/ca.pem https://localhost:6000/files
`

process.exitCode = await runDemo()
if (process.exitCode === 0) console.log(TRY_NEXT)
