import { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import type { Dispatcher } from 'undici'
import type { Test } from 'tap'
import type { ClientName } from '../../certs/development.ts'
import type { Problem } from '../../server/schemas/problem.ts'
import type { SignAnswer, SignEvent, SignRequest } from '../../server/schemas/sign.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import type { Verification, VerifyRequest } from '../../server/schemas/verify.ts'
import { testPki } from './pki.ts'

/** An answer read to its end. */
export type Answer = Readonly<{ status: number; headers: Readonly<Record<string, string | string[] | undefined>>; text: string; bytes: Buffer }>

/** What to ask; a `body` that is no text, bytes or stream is sent as JSON. */
export type Ask = Readonly<{ method?: string; body?: unknown; headers?: Readonly<Record<string, string>>; signal?: AbortSignal; dispatcher?: Dispatcher }>

/** A client with the certificate of one development client. */
export type Client = Readonly<{
  dispatcher: Agent
  /** Asks for `path` of the server that the client was made for. */
  ask(path: string, ask?: Ask): Promise<Answer>
  /** `POST /sign`, whatever comes of it. */
  trySign(request: SignRequest, ask?: Ask): Promise<Answer>
  /** `POST /sign`; rejects unless the answer is 200. */
  sign(request: SignRequest, ask?: Ask): Promise<SignAnswer>
  /** `POST` of bytes as `application/octet-stream`, to `/sign` unless told otherwise; `query` has at least the file name. */
  upload(query: Readonly<Record<string, string>>, body: Uint8Array | Readable, ask?: Ask & Readonly<{ path?: string }>): Promise<Answer>
  /** An upload to sign that must succeed: its one signature. */
  signUpload(filename: string, body: Uint8Array | Readable, ask?: Ask): Promise<Signature>
  /** `POST /verify`; rejects unless the answer is 200. */
  verify(request: VerifyRequest): Promise<Verification>
  /** `POST /sign` as NDJSON; rejects unless the answer is 200. */
  signEvents(request: SignRequest): Promise<readonly SignEvent[]>
}>

/** Returns a client of the server at `url`. Its connections are closed with the test. */
export async function clientOf(t: Test, url: string, name: ClientName = 'release-bot', options: Pick<Agent.Options, 'connections' | 'pipelining' | 'headersTimeout' | 'bodyTimeout'> = {}): Promise<Client> {
  const { ca, cert, key } = (await testPki()).clients[name]
  const dispatcher = new Agent({ ...options, connect: { ca, cert, key } })
  t.teardown(async () => await dispatcher.destroy())
  const ask = async (path: string, wanted: Ask = {}): Promise<Answer> => await askAt(`${url}${path}`, { dispatcher, ...wanted })
  const upload: Client['upload'] = async (query, body, { path = '/sign', ...wanted } = {}) =>
    await ask(`${path}?${new URLSearchParams(query).toString()}`, { ...wanted, method: 'POST', body, headers: { 'content-type': 'application/octet-stream', ...wanted.headers } })
  const trySign = async (body: SignRequest, wanted: Ask = {}) => await ask('/sign', { ...wanted, method: 'POST', body })
  return {
    dispatcher,
    ask,
    trySign,
    sign: async (body, wanted) => JSON.parse(successful(await trySign(body, wanted)).text) as SignAnswer,
    upload,
    signUpload: async (filename, body, wanted) => {
      const answer = JSON.parse(successful(await upload({ filename }, body, wanted)).text) as SignAnswer
      return answer.signatures[filename] as Signature
    },
    verify: async (body) => JSON.parse(successful(await ask('/verify', { method: 'POST', body })).text) as Verification,
    signEvents: async (body) => {
      const { text } = successful(await trySign(body, { headers: { accept: 'application/x-ndjson' } }))
      return text.trimEnd().split('\n').map((line) => JSON.parse(line) as SignEvent)
    },
  }
}

/** Asks for a URL and reads the answer to its end. */
export async function askAt(url: string, { method = 'GET', body, headers = {}, signal, dispatcher }: Ask = {}): Promise<Answer> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable
  const answer = await request(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
    ...(dispatcher === undefined ? {} : { dispatcher }),
  })
  const bytes = Buffer.from(await answer.body.arrayBuffer())
  return { status: answer.statusCode, headers: answer.headers, text: bytes.toString(), bytes }
}

/** Returns the problem document of an answer that is one. */
export function problemIn({ headers, text }: Answer): Problem {
  if (headers['content-type'] !== 'application/problem+json') throw new Error(`no problem document: ${String(headers['content-type'])} ${text.slice(0, 200)}`)
  return JSON.parse(text) as Problem
}

function successful(answer: Answer): Answer {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text.slice(0, 2000)}`)
  return answer
}
