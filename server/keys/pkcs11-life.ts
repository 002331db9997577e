import { startTokenProcess } from './pkcs11-child.ts'
import type { TokenProcess } from './pkcs11-child.ts'
import type { Job } from './pkcs11-line.ts'
import type { TokenAnswer, TokenFailure, TokenOpening } from './pkcs11-protocol.ts'

/** What one process is started with; `timeoutMs` is for one signature. */
export type LifeOptions = Readonly<{ opening: TokenOpening; environment: Readonly<Record<string, string>>; timeoutMs: number }>

/** What a process tells of the token as a whole. */
export type TokenNews = Exclude<TokenAnswer, Readonly<{ kind: 'signed' | 'failed' }>>

/**
 * What happens in one life. Each job that was given is settled here, or handed on in one of these; `job` is undefined when its time was
 * over before. `ended` is the last of them, once, with the jobs that are still in hand, in the order in which they were given.
 */
export type LifeEvents = Readonly<{
  told(news: TokenNews): void
  signed(): void
  failed(job: Job | undefined, failure: TokenFailure): void
  late(job: Job): void
  ended(reason: string, inHand: readonly Job[]): void
}>

/** A process that does not open the token by then is killed. */
const OPENING_MS = 30_000

/** One life of the process of a token, from its start on: what it has in its hands, and what it has achieved. */
export class TokenLife {
  readonly #options: LifeOptions
  readonly #events: LifeEvents
  readonly #process: TokenProcess
  readonly #overdue: NodeJS.Timeout
  /** By the number of the request. */
  readonly #inHand = new Map<number, Job>()
  #lastId = 0
  #opened = false
  #signed = false

  constructor(options: LifeOptions, events: LifeEvents) {
    const { opening, environment } = options
    this.#options = options
    this.#events = events
    this.#process = startTokenProcess({ environment, sessions: opening.sessions }, { answered: (answer) => this.#onAnswer(answer), ended: (reason) => this.#onEnd(reason) })
    this.#overdue = setTimeout(this.#process.kill, OPENING_MS)
    this.#process.send({ kind: 'open', opening })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Whether it has opened the token, and is not about to end. */
  get opened(): boolean {
    return this.#opened
  }

  /** Whether it has signed anything. */
  get signed(): boolean {
    return this.#signed
  }

  /** Whether a session is free. */
  hasRoom(): boolean {
    return this.#opened && this.#inHand.size < this.#options.opening.sessions
  }

  /** Has it sign; only where there is room. */
  give(job: Job): void {
    this.#lastId += 1
    const id = this.#lastId
    this.#inHand.set(id, job)
    job.tries += 1
    job.timer = setTimeout(() => {
      this.#inHand.delete(id)
      this.#events.late(job)
    }, this.#options.timeoutMs)
    this.#process.send({ kind: 'sign', id, key: job.key, digestInfoBase64: job.digestInfoBase64 })
  }

  /** Ends it at once; nothing more is given to it meanwhile. */
  kill(): void {
    this.#opened = false
    this.#process.kill()
  }

  /** Lets it end its sessions; resolves when it is gone. */
  async close(): Promise<void> {
    await this.#process.close()
  }

  #onAnswer(answer: TokenAnswer): void {
    switch (answer.kind) {
      case 'signed':
        this.#signed = true
        this.#take(answer.id)?.settle(Buffer.from(answer.signatureBase64, 'base64'))
        return this.#events.signed()
      case 'failed':
        return this.#events.failed(this.#take(answer.id), answer.failure)
      case 'opened':
        clearTimeout(this.#overdue)
        this.#opened = true
        return this.#events.told(answer)
      default:
        return this.#events.told(answer)
    }
  }

  #onEnd(reason: string): void {
    clearTimeout(this.#overdue)
    this.#opened = false
    this.#events.ended(
      reason,
      [...this.#inHand.keys()].map((id) => this.#take(id) as Job),
    )
  }

  #take(id: number): Job | undefined {
    const job = this.#inHand.get(id)
    this.#inHand.delete(id)
    clearTimeout(job?.timer)
    return job
  }
}
