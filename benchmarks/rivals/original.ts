import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment, endChild, run } from '../harness/child.ts'
import { Unavailable } from '../harness/measurement.ts'
import type { Place } from '../harness/place.ts'

/** A server that works as the original did. `sign` resolves with how long one connection took to have a directory signed, in milliseconds. */
export type Original = Readonly<{ sign: (directory: string, count: number) => Promise<number>; close: () => Promise<void> }>

const PROGRAM = fileURLToPath(new URL('original_server.py', import.meta.url))

/** Starts it. @throws Unavailable without Python 3 or OpenSSL */
export async function startOriginal(place: Place, opened: AsyncDisposableStack): Promise<Original> {
  await run('python3', ['-c', 'import ssl']).catch(() => {
    throw new Unavailable('the original\'s way needs python3 with its ssl module')
  })
  // To its shell a command that is not there is one that fails.
  await run('openssl', ['version'])
  const cwd = join(place.folder, 'original')
  await mkdir(cwd, { recursive: true })
  const child = spawn('python3', [PROGRAM, place.tls.cert, place.tls.key, place.privateKey], { cwd, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'inherit'] })
  const close = async () => await endChild(child)
  opened.defer(close)
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { sign: async (directory, count) => await signDirectory(Number(line), place, { directory, count }), close }
}

async function signDirectory(port: number, { credentials: { ca } }: Place, { directory, count }: Readonly<{ directory: string; count: number }>): Promise<number> {
  const started = performance.now()
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca })
  await once(socket, 'secureConnect')
  socket.write(directory)
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += chunk as string
  const elapsedMs = performance.now() - started
  const signed = text.split('"signature"').length - 1
  if (signed !== count) throw new Error(`the original's way signed ${signed} of ${count} files`)
  return elapsedMs
}
