import { setTimeout as delay } from 'node:timers/promises'
import type { Signature } from '../../server/schemas/signature.ts'
import type { BatchAnswer, SignAnswer, SignRequest } from '../../server/schemas/sign.ts'
import { problemIn, type Answer, type Client } from './client.ts'

/** A request, and the key under which it is repeated until it is answered. */
export type Job = Readonly<{ key: string; request: SignRequest }>

/** A request and the answer that it ended with. */
export type Done = Readonly<{ job: Job; answer: Answer }>

/** A load of requests that never gives up. */
export type Load = Readonly<{
  done: readonly Done[]
  /** How many attempts were cut off, or met nobody, and how many met another attempt at the same request. */
  counts: Readonly<{ cut: number; inProgress: number }>
  /** Makes no more requests, and resolves when those that were made are answered. */
  finish(): Promise<void>
}>

/** How: `makers` requests at once besides those that wait to be repeated; each attempt goes to one of `clients`. */
export type LoadOptions = Readonly<{ clients: readonly Client[]; jobs: () => Job; makers: number }>

const PAUSE_MS = 100

/**
 * Starts a load of `POST /sign` with Idempotency-Keys. An attempt without an answer (refused, cut off, 409 while another runs, 503) is
 * repeated with the same key, after the time of Retry-After where there is one.
 */
export function startLoad({ clients, jobs, makers }: LoadOptions): Load {
  const done: Done[] = []
  const counts = { cut: 0, inProgress: 0 }
  const repeating = new Set<Promise<void>>()
  let going = true
  let turn = 0
  const attempt = async (job: Job): Promise<Wait | undefined> => {
    const client = clients[turn++ % clients.length] as Client
    const answer = await post(client, job).catch(() => undefined)
    if (answer === undefined) {
      counts.cut += 1
      return { ms: PAUSE_MS, isBusy: false }
    }
    const wait = waitOf(answer)
    if (wait === undefined) done.push({ job, answer })
    else if (wait.isBusy) counts.inProgress += 1
    return wait
  }
  const repeat = async (job: Job, first: Wait): Promise<void> => {
    for (let wait: Wait | undefined = first; wait !== undefined; wait = await attempt(job)) await delay(wait.ms)
  }
  const make = async (): Promise<void> => {
    while (going) {
      const job = jobs()
      let wait = await attempt(job)
      for (; wait?.isBusy === false; wait = await attempt(job)) await delay(wait.ms)
      if (wait === undefined) continue
      // Nothing but time helps: meanwhile on with the next.
      const repeated = repeat(job, wait).finally(() => repeating.delete(repeated))
      repeating.add(repeated)
    }
  }
  const making = Promise.all(Array.from({ length: makers }, make))
  return {
    done,
    counts,
    finish: async () => {
      going = false
      await making
      await Promise.all(repeating)
    },
  }
}

/** One attempt. */
export async function post(client: Client, { key, request }: Job): Promise<Answer> {
  return await client.trySign(request, { headers: { 'idempotency-key': key } })
}

/** How long to wait until an attempt is repeated, and whether that is because of another attempt at the same request. */
type Wait = Readonly<{ ms: number; isBusy: boolean }>

/** Undefined for an answer that is none to wait for. */
function waitOf(answer: Answer): Wait | undefined {
  if (answer.status === 200) return undefined
  const { retryable, code } = problemIn(answer)
  return retryable ? { ms: Number(answer.headers['retry-after'] ?? 0) * 1000 + PAUSE_MS, isBusy: code === 'REQUEST_IN_PROGRESS' } : undefined
}

/** The signatures of an answer, whatever was asked. */
export function signaturesIn({ status, text }: Answer): readonly Signature[] {
  if (status !== 200) return []
  const answer = JSON.parse(text) as SignAnswer | BatchAnswer
  return 'items' in answer ? answer.items.flatMap(({ signature }) => signature ?? []) : Object.values(answer.signatures)
}
