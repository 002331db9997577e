import { Agent, request } from 'undici'
import type { Dispatcher } from 'undici'
import type { Test } from 'tap'
import type { ClientName } from '../../certs/development.ts'
import type { Problem } from '../../server/schemas/problem.ts'
import type { SignAnswer, SignEvent, SignRequest } from '../../server/schemas/sign.ts'
import { testPki } from './pki.ts'

/** An answer read to its end. */
export type Answer = Readonly<{ status: number; headers: Readonly<Record<string, string | string[] | undefined>>; text: string }>

/** What to ask; a `body` that is no text is sent as JSON. */
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
  /** `POST /sign` as NDJSON; rejects unless the answer is 200. */
  signEvents(request: SignRequest): Promise<readonly SignEvent[]>
}>

/** Returns a client of the server at `url`. Its connections are closed with the test. */
export async function clientOf(t: Test, url: string, name: ClientName = 'release-bot', options: Pick<Agent.Options, 'connections' | 'pipelining'> = {}): Promise<Client> {
  const { ca, cert, key } = (await testPki()).clients[name]
  const dispatcher = new Agent({ ...options, connect: { ca, cert, key } })
  t.teardown(async () => await dispatcher.destroy())
  const ask = async (path: string, wanted: Ask = {}): Promise<Answer> => await askAt(`${url}${path}`, { dispatcher, ...wanted })
  const trySign = async (body: SignRequest, wanted: Ask = {}) => await ask('/sign', { ...wanted, method: 'POST', body })
  return {
    dispatcher,
    ask,
    trySign,
    sign: async (body, wanted) => JSON.parse(successful(await trySign(body, wanted)).text) as SignAnswer,
    signEvents: async (body) => {
      const { text } = successful(await trySign(body, { headers: { accept: 'application/x-ndjson' } }))
      return text.trimEnd().split('\n').map((line) => JSON.parse(line) as SignEvent)
    },
  }
}

/** Asks for a URL and reads the answer to its end. */
export async function askAt(url: string, { method = 'GET', body, headers = {}, signal, dispatcher }: Ask = {}): Promise<Answer> {
  const payload = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
  const answer = await request(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(payload === undefined ? {} : { body: payload }),
    ...(signal === undefined ? {} : { signal }),
    ...(dispatcher === undefined ? {} : { dispatcher }),
  })
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() }
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
