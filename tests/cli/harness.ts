import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ServerResponse } from 'node:http'
import type { ClientName } from '../../certs/development.ts'
import { run } from '../../cli/run.ts'
import type { Io, OutputStream, Stop } from '../../cli/terminal.ts'
import type { Signature, SignEvent } from '../../sdk/index.ts'
import { testPki } from '../helpers/pki.ts'
import type { ScriptedServer } from '../sdk/scripted-server.ts'

/** The entry of the command line, as a path. */
export const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

export type Said = Readonly<{ status: number; stdout: string; stderr: string }>

/** A stream that keeps what is written to it; a terminal when it has columns. */
export function capture(columns?: number): OutputStream & { readonly said: () => string } {
  let text = ''
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => {
      text += chunk
      done()
    },
  })
  return Object.assign(stream, { said: () => text, ...(columns === undefined ? {} : { isTTY: true, columns }) })
}

export type Given = Partial<Omit<Io, 'stdout' | 'stderr' | 'signal'>> & Readonly<{ stdout?: OutputStream; columns?: number; stop?: AbortController }>

/** Runs `sign` in this process: no environment, a home without anything in it, unless given. */
export async function sign(args: readonly string[], { columns, stop = new AbortController(), ...given }: Given = {}): Promise<Said> {
  const [stdout, stderr] = [capture(), capture(columns)]
  const status = await run(args, { stdout, stderr, env: {}, cwd: '/nowhere', home: '/nonexistent', platform: 'linux', signal: stop.signal, now: () => performance.now(), ...given })
  return { status, stdout: stdout.said(), stderr: stderr.said() }
}

/** The flags that let `who` call a server. */
export async function flagsFor({ port }: Pick<ScriptedServer, 'port'>, who: ClientName = 'release-bot'): Promise<string[]> {
  const { certPath, keyPath, caPath } = (await testPki()).clients[who]
  return ['--port', String(port), '--cert', certPath, '--key', keyPath, '--ca', caPath]
}

/** Aborts a run as the process does. */
export function abort(stop: AbortController, kind: Stop['kind']): void {
  stop.abort({ kind } satisfies Stop)
}

/** Writes a whole NDJSON answer. */
export function answerEvents(response: ServerResponse, events: readonly SignEvent[]): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
}

/** A signature of PkgA as the server answers it, with the members that a test needs otherwise. */
export function signature(members: Partial<Signature> = {}): Signature {
  return {
    id: '0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21',
    filename: 'PkgA.1.0.0.0.bff',
    format: 'installp',
    source: 'path',
    sha256: '7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730',
    sizeBytes: 3584,
    keyid: '1001',
    algorithm: 'rsa-2048-sha256',
    covers: 'file',
    signature: 'QUJD',
    signedAt: '2026-11-24T09:15:00.000Z',
    replayed: false,
    // Not in the order in which they are printed.
    records: [{ package: 'PkgA', fileset: 'PkgA.rte', vrmf: '1.0.0.0', ftype: 'I', keyid: '1001', timestamp: '1375425475', signature: 'QUJD' }],
    receipt: { index: 1, entry: '{}', path: ['RDj2ItcFTCxTXNg9wLOvyFqk8Lj5LPcGYvg7FhTYkvA='], checkpoint: 'signing-server/log\n2\n' },
    ...members,
  }
}

