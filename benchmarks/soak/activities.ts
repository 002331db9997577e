import { randomInt } from 'node:crypto'
import { writePackage } from '../../formats/index.ts'
import { packageSource, type Packages } from '../harness/packages.ts'
import { requestsOf } from '../harness/request-source.ts'
import type { Request } from '../harness/wire-client.ts'
import type { SoakClient } from './client.ts'

/** A signature as a client was given it, and the bytes it is over where the client has them: the path of a file, or the content. */
export type Given = Readonly<{ id: string; signature: string; filename: string; content?: string | Buffer }>

/** What the activities share. `give` is told every signature that a client was given; `recent` is one of the last of them. */
export type Surroundings = Readonly<{ directory: Packages; large: Packages; anew: Readonly<Record<string, unknown>>; give: (given: Given) => void; recent: () => Given | undefined }>

/** One thing that clients do again and again; `once` does it one time. */
export type Activity = Readonly<{ name: string; clients: number; pauseMs: number; once: (client: SoakClient, around: Surroundings) => Promise<void> }>

type SignedAnswer = Readonly<{ signatures: Readonly<Record<string, Readonly<{ id: string; signature: string; filename: string }>>> }>

const post = (body: object): Request => ({ method: 'POST', path: '/sign', body: JSON.stringify(body) })
const digests = requestsOf({ kind: 'sign-digests' })
const batches = requestsOf({ kind: 'sign-batches', items: 50 })

/** Everything that a day brings, but for what operators do: reloads.ts. */
export const ACTIVITIES: readonly Activity[] = [
  { name: 'paths', clients: 2, pauseMs: 20, once: signOnePath },
  { name: 'directories', clients: 1, pauseMs: 500, once: async (client, around) => await signTree(client, around, around.directory) },
  { name: 'large', clients: 1, pauseMs: 2000, once: async (client, around) => await signTree(client, around, around.large) },
  { name: 'uploads', clients: 2, pauseMs: 100, once: upload },
  { name: 'digests', clients: 2, pauseMs: 10, once: async (client, { give }) => signed(await client.ask(digests()), give, () => undefined) },
  { name: 'batches', clients: 1, pauseMs: 500, once: async (client) => void (await client.ask(batches())) },
  { name: 'look-ups', clients: 1, pauseMs: 20, once: lookUp },
  { name: 'searches', clients: 1, pauseMs: 50, once: search },
  { name: 'reports', clients: 1, pauseMs: 3000, once: async (client) => void (await client.ask(report)) },
  { name: 'proofs', clients: 1, pauseMs: 50, once: prove },
  { name: 'vanishing', clients: 2, pauseMs: 200, once: vanish },
]

async function signOnePath(client: SoakClient, { directory, anew, give }: Surroundings): Promise<void> {
  const path = directory.paths[randomInt(directory.count)] as string
  signed(await client.ask(post({ path, ...anew })), give, () => path)
}

async function signTree(client: SoakClient, { anew, give }: Surroundings, { directory }: Packages): Promise<void> {
  signed(await client.ask(post({ path: directory, ...anew })), give, (filename) => `${directory}/${filename}`)
}

function signed(answer: Awaited<ReturnType<SoakClient['ask']>>, give: Surroundings['give'], contentOf: (filename: string) => string | Buffer | undefined): void {
  if (answer === undefined) return
  const { signatures } = JSON.parse(answer.body.toString()) as SignedAnswer
  for (const { id, signature, filename } of Object.values(signatures)) {
    const content = contentOf(filename)
    give({ id, signature, filename, ...(content === undefined ? {} : { content }) })
  }
}

let uploads = 0

async function upload(client: SoakClient, { give }: Surroundings): Promise<void> {
  const { request, bytes } = newUpload(randomInt(1024, 2 * 1024 * 1024))
  signed(await client.ask(request), give, () => bytes)
}

function newUpload(sizeBytes: number): Readonly<{ request: Request; bytes: Buffer }> {
  uploads += 1
  const name = `Soak${process.pid}x${uploads}`
  const bytes = writePackage(packageSource(name, sizeBytes))
  const headers = { 'content-type': 'application/octet-stream' }
  return { bytes, request: { method: 'POST', path: `/sign?filename=${name}.bff`, headers, bodyBytes: bytes.length, pieces: [bytes] } }
}

async function lookUp(client: SoakClient, { recent, directory }: Surroundings): Promise<void> {
  const given = recent()
  const paths = ['/whoami', '/keys', '/files', `/files?path=${encodeURIComponent(directory.directory)}`, ...(given === undefined ? [] : [`/signatures/${given.id}`, `/signatures/${given.id}/sig`])]
  await client.ask({ method: 'GET', path: paths[randomInt(paths.length)] as string })
}

/** What people look for: what was made of a content or a package, what is new, what one key signed; a page each. */
async function search(client: SoakClient, { recent }: Surroundings): Promise<void> {
  const given = recent()
  const ofGiven = given === undefined ? [] : [`package=${given.filename.split('.')[0]}`]
  const queries = ['limit=20', 'keyid=1001&limit=100', 'client=release-bot&format=installp', 'form=sig&limit=50', `since=${new Date(Date.now() - 5000).toISOString()}`, ...ofGiven]
  await client.ask({ method: 'GET', path: `/signatures?${queries[randomInt(queries.length)]}` })
}

/** A report as `sign report` asks for it, bounded: a catalogue grows while the soak runs. */
const report: Request = { method: 'GET', path: '/signatures?limit=1000', headers: { accept: 'application/x-ndjson' } }

async function prove(client: SoakClient, { recent }: Surroundings): Promise<void> {
  const given = recent()
  const paths = ['/log/checkpoint', '/log/tile/0/000.p/1', ...(given === undefined ? [] : [`/signatures/${given.id}/proof`])]
  await client.ask({ method: 'GET', path: paths[randomInt(paths.length)] as string })
}

/** Clients that go away in the middle: of a long answer, of an upload, or right behind their request. */
async function vanish(client: SoakClient, { directory, large, anew }: Surroundings): Promise<void> {
  const requests = [post({ path: directory.directory, ...anew }), post({ path: large.directory, ...anew }), newUpload(4 * 1024 * 1024).request, post({ path: directory.paths[0], ...anew }), report]
  await client.leave(requests[randomInt(requests.length)] as Request, randomInt(60))
}
